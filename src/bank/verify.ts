import { FoilbankError, throwIfCancelled } from '../errors.js';
import { readEvaluation } from './evaluations.js';
import { checkObject } from './hashing.js';
import { type Layout, layoutOf } from './layout.js';
import type { Manifest } from './manifest.js';
import { candidateFiles, findPublication, readCandidates, readManifest } from './open.js';
import { readPart } from './parts.js';
import { currentPublication, type Publication, publicationLog, standingOf } from './publication.js';
import type { BankStore } from './store.js';

export interface Verification {
  readonly versions: readonly string[];
  readonly files: number;
  readonly bytes: number;
  /** Empty when everything is as it was written. */
  readonly problems: readonly { readonly file: string; readonly reason: string }[];
}

/**
 * Reads every byte of every version that was in service (or of the one named), and of the parts and publications, and
 * says what is not as it was written. Damage is reported, not thrown.
 *
 * @throws FoilbankError FB_BANK_NAME_INVALID, FB_BANK_NOT_FOUND, FB_BANK_VERSION_NOT_FOUND,
 *   FB_BANK_VERSION_REMOVED, FB_FILE_UNREADABLE,
 *   FB_CANCELLED
 */
export async function verifyBank(
  store: BankStore,
  bank: string,
  options: { readonly version?: string; readonly signal?: AbortSignal } = {},
): Promise<Verification> {
  const layout = layoutOf(bank);
  const check = new Check(store, layout, options.signal);
  const { publications, damaged } = await publicationLog(store, layout);
  if (publications.length + damaged.length === 0 || options.version !== undefined)
    await check.attempt(() => findPublication(store, layout, options.version));
  check.problems.push(...damaged);
  await check.attempt(() => currentPublication(store, layout));
  const last = new Map(publications.map((p) => [p.version, p]));
  const removed = standingOf(publications)?.removed;
  const wanted = ({ version }: Publication) =>
    (options.version ?? version) === version && !removed?.has(version);
  for (const publication of [...last.values()].filter(wanted)) await check.version(publication);
  await check.evaluations(options.version);
  if (options.version === undefined) await check.parts();
  const { versions, files, bytes, problems } = check;
  return { versions, files, bytes, problems };
}

class Check {
  readonly versions: string[] = [];
  readonly problems: { file: string; reason: string }[] = [];
  files = 0;
  bytes = 0;

  constructor(
    readonly store: BankStore,
    readonly layout: Layout,
    readonly signal: AbortSignal | undefined,
  ) {}

  /** @returns undefined when a damage was found, which is then among the problems */
  async attempt<T>(call: () => Promise<T>): Promise<T | undefined> {
    throwIfCancelled(this.signal, `verification of bank ${this.layout.bank}`);
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof FoilbankError)) throw error;
      const details = error.details as Readonly<Record<string, string | number>>;
      if (error.code !== 'FB_BANK_CORRUPT' && error.code !== 'FB_BANK_FORMAT_NEWER') throw error;
      this.problems.push({ file: String(details.file), reason: String(details.reason ?? error.message) });
      return undefined;
    }
  }

  async version(publication: Publication): Promise<void> {
    const { store, layout } = this;
    this.versions.push(publication.version);
    const manifest = await this.attempt(() => readManifest(store, layout, publication));
    if (!manifest) return;
    const before = this.problems.length;
    for (const file of manifest.files) {
      this.files += 1;
      this.bytes += file.bytes;
      await this.attempt(() => checkObject(store, layout.file(publication.version, file.path), file));
    }
    // Whether whole files also hold what the manifest says is a question only for whole files.
    if (this.problems.length === before && candidateFiles(manifest).length > 0)
      await this.attempt(() => readCandidates(store, layout, manifest, { signal: this.signal }));
    await this.strays(manifest);
  }

  async strays(manifest: Manifest): Promise<void> {
    const { layout } = this;
    const known = new Set([
      layout.manifest(manifest.version),
      ...manifest.files.map((f) => layout.file(manifest.version, f.path)),
    ]);
    for (const { key } of await this.store.list(layout.version(manifest.version)))
      if (!known.has(key)) this.problems.push({ file: key, reason: 'the manifest does not name it' });
  }

  async evaluations(version: string | undefined): Promise<void> {
    const { evaluations, evaluationsOf } = this.layout;
    const folder = version === undefined ? evaluations : evaluationsOf(version);
    for (const object of await this.store.list(folder)) {
      this.files += 1;
      this.bytes += object.bytes;
      await this.attempt(() => readEvaluation(this.store, object));
    }
  }

  async parts(): Promise<void> {
    for (const { key, bytes } of await this.store.list(this.layout.parts)) {
      this.files += 1;
      this.bytes += bytes;
      if (key.endsWith('.arrow')) await this.attempt(() => readPart(this.store, key));
    }
  }
}
