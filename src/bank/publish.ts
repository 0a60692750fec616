import { createReadStream } from 'node:fs';
import { FoilbankError, reasonOf, throwIfCancelled } from '../errors.js';
import { encodeCandidates } from './arrow.js';
import { type CandidateTable, faultOfTable, sliceTable } from './candidate.js';
import { collectGarbage } from './collect.js';
import { hashed, sha256Of } from './hashing.js';
import { type Layout, layoutOf, versionName } from './layout.js';
import {
  encodeManifest,
  type Manifest,
  type ManifestDraft,
  type ManifestFile,
  manifestFault,
} from './manifest.js';
import { appendPublication, publicationLog } from './publication.js';
import { type BankStore, type Body, CHUNK_BYTES } from './store.js';

/** What a version shall hold. */
export interface BankDraft extends ManifestDraft {
  readonly candidates: CandidateTable;
  /** Further files by path within the version (index.hnsw, preview.png): their bytes, or where this machine has them. */
  readonly files?: Readonly<Record<string, Uint8Array | { readonly localFile: string }>>;
}

export interface PublishOptions {
  /** Default now. */
  readonly createdAt?: Date;
  /** Asked before every file; once the version is in service it is too late. */
  readonly signal?: AbortSignal;
  readonly onFile?: (file: ManifestFile) => void;
}

/**
 * Writes a new version and puts it into service. A process killed anywhere leaves the old version in service or the new
 * one, each whole: the version's files come first, then its manifest, then the one small object that says it is in service.
 *
 * @throws FoilbankError FB_BANK_NAME_INVALID, FB_BANK_DRAFT_INVALID, FB_BANK_BUSY, FB_STORE_FULL, FB_FILE_UNWRITABLE,
 *   FB_FILE_UNREADABLE, FB_CANCELLED
 */
export async function publishBank(
  store: BankStore,
  bank: string,
  draft: BankDraft,
  options: PublishOptions = {},
): Promise<Manifest> {
  const layout = layoutOf(bank);
  await checkDraft(bank, draft);
  await collectGarbage(store, bank);
  const { last } = await publicationLog(store, layout);
  const version = await claimVersion(store, layout);
  try {
    const files = await writeFiles(store, layout, version, draft, options);
    const { inputs, counts, parameters, gateResults } = draft;
    const createdAt = (options.createdAt ?? new Date()).toISOString();
    const manifest: Manifest = {
      format: 'foilbank.bank/1',
      ...{ bank, version, createdAt, inputs, counts, parameters, gateResults, files },
    };
    const bytes = Buffer.from(encodeManifest(manifest));
    await store.write(layout.manifest(version), bytes);
    throwIfCancelled(options.signal, `publication of bank ${bank}`);
    if (await appendPublication(store, layout, last, version, sha256Of(bytes))) return manifest;
    throw new FoilbankError('FB_BANK_BUSY', { bank, version });
  } catch (error) {
    await removeUnlessPublished(store, layout, version);
    throw error;
  }
}

async function checkDraft(bank: string, draft: BankDraft): Promise<void> {
  const invalid = (field: string, reason: string) =>
    new FoilbankError('FB_BANK_DRAFT_INVALID', { bank, field, reason });
  const { candidates, files = {}, inputs, counts, parameters, gateResults } = draft;
  const rows = candidates.seeds.length;
  if (rows !== counts.accepted)
    throw invalid('counts.accepted', `${counts.accepted}, but ${rows} candidates`);
  if (candidates.dimension !== inputs.embedder.dimension)
    throw invalid('inputs.embedder.dimension', `embeddings have length ${candidates.dimension}`);
  const tableFault = await faultOfTable(candidates);
  if (tableFault) throw invalid('candidates', tableFault);
  for (const path of Object.keys(files))
    if (path === 'manifest.json' || path.startsWith('candidates/'))
      throw invalid('files', `${path} is written here`);
  const paths = ['candidates/0.arrow', ...Object.keys(files)].sort();
  // Everything the manifest will say is checked before a byte is written; what is not yet known is stood in for.
  const unknown = { bytes: 0, sha256: '0'.repeat(64) };
  const fault = manifestFault({
    format: 'foilbank.bank/1',
    ...{
      bank,
      version: versionName(1),
      createdAt: new Date(0).toISOString(),
      inputs,
      counts,
      parameters,
      gateResults,
    },
    files: paths.map((path) => ({ path, ...unknown })),
  });
  if (fault) throw invalid(fault.field, fault.reason);
}

/** Takes a version number that nobody took before. */
async function claimVersion(store: BankStore, layout: Layout): Promise<string> {
  const claims = await store.list(layout.claims);
  let number = Math.max(0, ...claims.map(({ key }) => Number(key.slice(layout.claims.length + 1)) || 0));
  for (;;) {
    const version = versionName(++number);
    if (await store.writeNew(layout.claim(version), new Uint8Array(0))) return version;
  }
}

/** About 4 MiB of embeddings a file: read and checked one by one, they never sit in memory twice all together. */
const FILE_BYTES = 4 << 20;

async function writeFiles(
  store: BankStore,
  layout: Layout,
  version: string,
  draft: BankDraft,
  options: PublishOptions,
): Promise<ManifestFile[]> {
  const written: ManifestFile[] = [];
  const put = async (path: string, source: Body) => {
    throwIfCancelled(options.signal, `publication of bank ${layout.bank}`);
    const body = hashed(source);
    await store.write(layout.file(version, path), body.stream);
    const file = { path, ...body.digest() };
    written.push(file);
    options.onFile?.(file);
  };
  const { candidates, files = {} } = draft;
  const rows = candidates.seeds.length;
  const rowsPerFile = Math.max(1, Math.floor(FILE_BYTES / (4 * candidates.dimension)));
  for (let start = 0; start < rows; start += rowsPerFile) {
    const name = String(start / rowsPerFile).padStart(6, '0');
    const table = sliceTable(candidates, start, Math.min(rows, start + rowsPerFile));
    await put(`candidates/${name}.arrow`, encodeCandidates(table));
  }
  for (const [path, source] of Object.entries(files))
    await put(path, source instanceof Uint8Array ? source : localBytes(source.localFile));
  return written.sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function* localBytes(file: string): AsyncIterable<Uint8Array> {
  try {
    yield* createReadStream(file, { highWaterMark: CHUNK_BYTES });
  } catch (error) {
    throw new FoilbankError('FB_FILE_UNREADABLE', { file, reason: reasonOf(error) }, { cause: error });
  }
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
