import { createReadStream } from 'node:fs';
import { FoilbankError, reasonOf, throwIfCancelled } from '../errors.js';
import { sliceTable } from './candidate.js';
import type { BankDraft } from './draft.js';
import { checkObject, digestOf, hashed } from './hashing.js';
import type { Layout } from './layout.js';
import { encodeManifest, type Manifest, type ManifestFile } from './manifest.js';
import { type BankStore, type Body, CHUNK_BYTES, type Expected } from './store.js';

/** How a file of a version comes into the store. */
export type Put = (key: string, source: () => Body) => Promise<Expected>;

/** For a version that no other call writes. */
export const replacing =
  (store: BankStore): Put =>
  async (key, source) => {
    const body = hashed(source());
    await store.write(key, body.stream);
    return body.digest();
  };

/** The version has a file of the same name with other bytes. */
export class OtherBytes extends Error {}

/** For a version that others write too: writes a file that is not there, and only looks at one that is. @throws OtherBytes */
export const agreeing =
  (store: BankStore): Put =>
  async (key, source) => {
    if (!(await store.stat(key))) {
      const body = hashed(source());
      if (await store.writeNew(key, body.stream)) return body.digest();
    }
    const expected = await digestOf(source());
    try {
      await checkObject(store, key, expected);
      return expected;
    } catch (error) {
      if (error instanceof FoilbankError && error.code === 'FB_BANK_CORRUPT') throw new OtherBytes(key);
      throw error;
    }
  };

interface WriteOptions {
  readonly createdAt: Date;
  readonly signal: AbortSignal | undefined;
  readonly onFile: ((file: ManifestFile) => void) | undefined;
}

/** All files of a version, then its manifest. */
export async function writeVersion(
  layout: Layout,
  version: string,
  draft: BankDraft,
  options: WriteOptions,
  put: Put,
): Promise<{ manifest: Manifest; sha256: string }> {
  const { inputs, counts, parameters, gateResults } = draft;
  const { bank } = layout;
  const files = await writeFiles(layout, version, draft, options, put);
  const createdAt = options.createdAt.toISOString();
  const manifest: Manifest = {
    format: 'foilbank.bank/1',
    ...{ bank, version, createdAt, inputs, counts, parameters, gateResults, files },
  };
  const { sha256 } = await put(layout.manifest(version), () => Buffer.from(encodeManifest(manifest)));
  throwIfCancelled(options.signal, `publication of bank ${bank}`);
  return { manifest, sha256 };
}

/** About 4 MiB of embeddings a file: read and checked one by one, they never sit in memory twice all together. */
const FILE_BYTES = 4 << 20;

async function writeFiles(
  layout: Layout,
  version: string,
  draft: BankDraft,
  options: WriteOptions,
  put: Put,
): Promise<ManifestFile[]> {
  const written: ManifestFile[] = [];
  const add = async (path: string, source: () => Body) => {
    throwIfCancelled(options.signal, `publication of bank ${layout.bank}`);
    const file = { path, ...(await put(layout.file(version, path), source)) };
    written.push(file);
    options.onFile?.(file);
  };
  const { encodeCandidates } = await import('./arrow.js');
  const { candidates, files = {} } = draft;
  const rows = candidates.seeds.length;
  const rowsPerFile = Math.max(1, Math.floor(FILE_BYTES / (4 * candidates.dimension)));
  for (let start = 0; start < rows; start += rowsPerFile) {
    const name = String(start / rowsPerFile).padStart(6, '0');
    const table = sliceTable(candidates, start, Math.min(rows, start + rowsPerFile));
    const bytes = encodeCandidates(table);
    await add(`candidates/${name}.arrow`, () => bytes);
  }
  for (const [path, source] of Object.entries(files))
    await add(path, () => (source instanceof Uint8Array ? source : localBytes(source.localFile)));
  return written.sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function* localBytes(file: string): AsyncIterable<Uint8Array> {
  try {
    yield* createReadStream(file, { highWaterMark: CHUNK_BYTES });
  } catch (error) {
    throw new FoilbankError('FB_FILE_UNREADABLE', { file, reason: reasonOf(error) }, { cause: error });
  }
}
