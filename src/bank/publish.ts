import { FoilbankError } from '../errors.js';
import { type Attempt, checkAttempt, claimedBy, claimVersion } from './claim.js';
import { collectGarbage } from './collect.js';
import { type BankDraft, checkDraft } from './draft.js';
import { type Layout, layoutOf } from './layout.js';
import type { Manifest, ManifestFile } from './manifest.js';
import { appendPublication, type Publication, publicationLog, renewCurrent } from './publication.js';
import { manifestOf } from './published-by.js';
import type { BankStore } from './store.js';
import { agreeing, OtherBytes, type Put, replacing, writeVersion } from './write-version.js';

export interface PublishOptions {
  /** Default now, or the attempt's. */
  readonly createdAt?: Date;
  /** Makes the publication repeatable: of any number of tries with the same id, all come to the same one version. */
  readonly attempt?: Attempt;
  /** Asked before every file; once the version is in service it is too late. */
  readonly signal?: AbortSignal;
  readonly onFile?: (file: ManifestFile) => void;
}

/**
 * Writes a new version and puts it into service. A process killed anywhere leaves the old version in service or the new
 * one, each whole: the version's files come first, then its manifest, then the one small object that says it is in service.
 *
 * @returns the manifest in service; with an attempt that another try has already published, what that one published
 * @throws FoilbankError FB_BANK_NAME_INVALID, FB_BANK_DRAFT_INVALID, FB_OPTION_INVALID, FB_BANK_BUSY, FB_STORE_FULL,
 *   FB_FILE_UNWRITABLE, FB_FILE_UNREADABLE, FB_CANCELLED
 */
export async function publishBank(
  store: BankStore,
  bank: string,
  draft: BankDraft,
  options: PublishOptions = {},
): Promise<Manifest> {
  const layout = layoutOf(bank);
  const { attempt } = options;
  if (attempt) checkAttempt(attempt);
  await checkDraft(bank, draft);
  await collectGarbage(store, bank);
  const createdAt = attempt?.at ?? options.createdAt ?? new Date();
  const { signal, onFile } = options;
  const write = (version: string, put: Put) =>
    writeVersion(layout, version, draft, { createdAt, signal, onFile }, put);
  const { last, publications } = await publicationLog(store, layout);
  return attempt
    ? publishOnce(store, layout, attempt, write, last, publications)
    : publishNew(store, layout, write, last);
}

type Write = (version: string, put: Put) => Promise<{ manifest: Manifest; sha256: string }>;

/** The version is this call's alone: what it wrote goes when it fails. */
async function publishNew(store: BankStore, layout: Layout, write: Write, after: number): Promise<Manifest> {
  const version = await claimVersion(store, layout);
  try {
    const { manifest, sha256 } = await write(version, replacing(store));
    if (await appendPublication(store, layout, after, version, sha256)) return manifest;
    throw new FoilbankError('FB_BANK_BUSY', { bank: layout.bank, version });
  } catch (error) {
    await removeUnlessPublished(store, layout, version);
    throw error;
  }
}

/**
 * Tries write no file twice and remove none: another may be about to publish it. A version whose files hold other bytes
 * than this try's (made on a machine that rounds differently, or damaged) is left alone, for a new number.
 */
async function publishOnce(
  store: BankStore,
  layout: Layout,
  attempt: Attempt,
  write: Write,
  after: number,
  before: readonly Publication[],
): Promise<Manifest> {
  const finished = async (publications: readonly Publication[]) => {
    const mine = await claimedBy(store, layout, attempt);
    const done = publications.find((p) => mine.includes(p.version));
    const last = publications.at(-1);
    if (!done || !last) return undefined;
    await renewCurrent(store, layout, last);
    return manifestOf(store, layout, publications, done);
  };
  const unusable = new Set<string>();
  let manifest = await finished(before);
  while (!manifest) {
    const version = await claimVersion(store, layout, attempt, unusable);
    try {
      const written = await write(version, agreeing(store));
      const first = await appendPublication(store, layout, after, version, written.sha256);
      manifest = first
        ? written.manifest
        : await finished((await publicationLog(store, layout)).publications);
      if (!manifest) throw new FoilbankError('FB_BANK_BUSY', { bank: layout.bank, version });
    } catch (error) {
      if (!(error instanceof OtherBytes)) throw error;
      unusable.add(version);
    }
  }
  return manifest;
}

/**
 * Cleans up after a failure. A failed write of the publication may have come through all the same, so the version goes
 * only when nothing names it; what cannot be removed now is collected later.
 */
async function removeUnlessPublished(store: BankStore, layout: Layout, version: string): Promise<void> {
  try {
    const { publications, damaged } = await publicationLog(store, layout);
    if (damaged.length > 0 || publications.some((p) => p.version === version)) return;
    for (const { key } of await store.list(layout.version(version))) await store.remove(key);
  } catch (error) {
    if (!(error instanceof FoilbankError)) throw error;
  }
}
