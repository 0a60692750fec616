import { FoilbankError, throwIfCancelled } from '../errors.js';
import { type CandidateTable, emptyTable } from './candidate.js';
import { readChecked, readWhole, sha256Of } from './hashing.js';
import { type Layout, layoutOf } from './layout.js';
import { decodeManifest, type Manifest, type ManifestFile } from './manifest.js';
import { currentPublication, type Publication, publicationLog, standingOf } from './publication.js';
import type { BankStore } from './store.js';

/** One version of a bank, whole and checked. It never changes, whatever is published later. */
export interface Bank {
  readonly name: string;
  readonly version: string;
  readonly manifest: Manifest;
  readonly candidates: CandidateTable;
  /**
   * Checks the hash of a further file (index.hnsw, preview.png), then says where this machine can read it.
   *
   * @returns undefined when the version has no such file
   * @throws FoilbankError FB_BANK_CORRUPT
   */
  localFile(path: string): Promise<string | undefined>;
}

/**
 * Opens the version in service, or the one named.
 *
 * @param shared default true: embeddings lie in memory that other threads can read; else in memory that can be moved to one
 * @throws FoilbankError FB_BANK_NAME_INVALID, FB_BANK_NOT_FOUND, FB_BANK_VERSION_NOT_FOUND, FB_BANK_VERSION_REMOVED,
 *   FB_BANK_CORRUPT, FB_BANK_FORMAT_NEWER, FB_FILE_UNREADABLE
 */
export async function openBank(
  store: BankStore,
  name: string,
  options: { readonly version?: string; readonly signal?: AbortSignal; readonly shared?: boolean } = {},
): Promise<Bank> {
  const layout = layoutOf(name);
  const publication = await findPublication(store, layout, options.version);
  const manifest = await readManifest(store, layout, publication);
  const { version } = publication;
  const candidates = await readCandidates(store, layout, manifest, options);
  return Object.freeze({
    ...{ name, version, manifest, candidates },
    localFile: async (path: string) => {
      const file = manifest.files.find((f) => f.path === path);
      return file && store.localFile(layout.file(version, path), file);
    },
  });
}

/**
 * One further file of the version in service, without its candidates: hash checked, and where this machine can read it.
 *
 * @returns undefined when the version has no such file
 * @throws FoilbankError as `openBank`
 */
export async function fileInService(
  store: BankStore,
  name: string,
  path: string,
): Promise<string | undefined> {
  const layout = layoutOf(name);
  const publication = await findPublication(store, layout);
  const manifest = await readManifest(store, layout, publication);
  const file = manifest.files.find((f) => f.path === path);
  return file && store.localFile(layout.file(publication.version, path), file);
}

/**
 * The publication in service, or the last one of the version named.
 *
 * @throws FoilbankError FB_BANK_NOT_FOUND, FB_BANK_VERSION_NOT_FOUND, FB_BANK_VERSION_REMOVED, FB_BANK_CORRUPT
 */
export async function findPublication(
  store: BankStore,
  layout: Layout,
  version?: string,
): Promise<Publication> {
  if (version === undefined) {
    const current = await currentPublication(store, layout);
    if (current) return current;
    throw new FoilbankError('FB_BANK_NOT_FOUND', { store: store.location, bank: layout.bank });
  }
  const { publications } = await publicationLog(store, layout);
  const standing = standingOf(publications);
  if (!standing) throw new FoilbankError('FB_BANK_NOT_FOUND', { store: store.location, bank: layout.bank });
  const { bank } = layout;
  const versions = standing.kept.join(', ');
  if (standing.removed.has(version))
    throw new FoilbankError('FB_BANK_VERSION_REMOVED', { bank, version, versions });
  const found = publications.findLast((p) => p.version === version);
  if (found) return found;
  throw new FoilbankError('FB_BANK_VERSION_NOT_FOUND', { bank, version: JSON.stringify(version), versions });
}

/** @throws FoilbankError FB_BANK_CORRUPT, FB_BANK_FORMAT_NEWER */
export async function readManifest(
  store: BankStore,
  layout: Layout,
  { version, manifestSha256 }: Publication,
): Promise<Manifest> {
  const key = layout.manifest(version);
  const corrupt = (reason: string) => new FoilbankError('FB_BANK_CORRUPT', { file: key, reason });
  const bytes = await readWhole(store, key);
  if (!bytes) throw corrupt('it is missing');
  const actual = sha256Of(bytes);
  if (actual !== manifestSha256) throw corrupt(`it hashes to ${actual}, ${manifestSha256} was published`);
  const manifest = decodeManifest(Buffer.from(bytes).toString('utf8'), key);
  if (manifest.bank !== layout.bank || manifest.version !== version)
    throw corrupt(`it is that of bank ${manifest.bank}, version ${manifest.version}`);
  return manifest;
}

export function candidateFiles(manifest: Manifest): readonly ManifestFile[] {
  return manifest.files.filter((f) => f.path.startsWith('candidates/'));
}

/** All candidates, file by file: besides the table only one file is in memory. */
export async function readCandidates(
  store: BankStore,
  layout: Layout,
  manifest: Manifest,
  { signal, shared = true }: { readonly signal?: AbortSignal | undefined; readonly shared?: boolean } = {},
): Promise<CandidateTable> {
  const { dimension } = manifest.inputs.embedder;
  // Whoever wants a manifest only need not wait for the library.
  const { decodeCandidates } = await import('./arrow.js');
  const table = emptyTable(manifest.counts.accepted, dimension, shared);
  let rows = 0;
  for (const file of candidateFiles(manifest)) {
    throwIfCancelled(signal, `opening of bank ${layout.bank}`);
    const key = layout.file(manifest.version, file.path);
    const decoded = decodeCandidates(await readChecked(store, key, file), key);
    if (decoded.dimension !== dimension || rows + decoded.rows > manifest.counts.accepted)
      throw new FoilbankError('FB_BANK_CORRUPT', {
        file: key,
        reason: `${decoded.rows} rows of dimension ${decoded.dimension} do not fit the manifest`,
      });
    await decoded.copyInto(table, rows);
    rows += decoded.rows;
  }
  if (rows !== manifest.counts.accepted)
    throw new FoilbankError('FB_BANK_CORRUPT', {
      file: layout.manifest(manifest.version),
      reason: `it counts ${manifest.counts.accepted} candidates, its files hold ${rows}`,
    });
  return table;
}
