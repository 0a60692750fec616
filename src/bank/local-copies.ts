import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { FoilbankError, reasonOf } from '../errors.js';
import { digestOf } from './hashing.js';
import { CHUNK_BYTES, type Expected } from './store.js';

const UNUSED_MS = 14 * 24 * 3_600_000;

/**
 * Copies of objects, for libraries that only open files: a folder of files named by their own SHA-256. A copy is hashed
 * before it is handed out, so the folder need not be trusted to have kept it. Copies unused for two weeks go.
 */
export class LocalCopies {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * @param key the object's, for messages
   * @param read how to fetch it
   * @throws FoilbankError FB_BANK_CORRUPT when it is missing or another than expected, FB_STORE_FULL, FB_FILE_UNWRITABLE
   */
  async file(
    key: string,
    read: () => Promise<AsyncIterable<Uint8Array> | undefined>,
    expected?: Expected,
  ): Promise<string> {
    const corrupt = (reason: string) => new FoilbankError('FB_BANK_CORRUPT', { file: key, reason });
    const copy = expected && (await this.#copyOf(expected));
    if (copy !== undefined) return copy;
    const chunks = await read();
    if (!chunks) throw corrupt('it is missing');
    const temporary = join(this.#folder, `.tmp-${randomUUID()}`);
    try {
      const sha256 = await this.#fetch(chunks, temporary, expected?.bytes);
      if (expected && sha256 !== expected.sha256)
        throw corrupt(`it hashes to ${sha256}, ${expected.sha256} was written`);
      const path = join(this.#folder, sha256);
      await rename(temporary, path);
      await this.#forgetUnused();
      return path;
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => {});
      if (error instanceof FoilbankError) throw error;
      const full = ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '');
      throw full
        ? new FoilbankError('FB_STORE_FULL', { store: this.#folder, file: key }, { cause: error })
        : new FoilbankError(
            'FB_FILE_UNWRITABLE',
            { file: temporary, reason: reasonOf(error) },
            { cause: error },
          );
    }
  }

  async #copyOf(expected: Expected): Promise<string | undefined> {
    const path = join(this.#folder, expected.sha256);
    try {
      if ((await stat(path)).size !== expected.bytes) return undefined;
      const { sha256 } = await digestOf(createReadStream(path, { highWaterMark: CHUNK_BYTES }));
      if (sha256 !== expected.sha256) return undefined;
      const now = new Date();
      await utimes(path, now, now);
      return path;
    } catch {
      // A copy that cannot be read is fetched anew; what keeps that from succeeding is then said.
      return undefined;
    }
  }

  async #fetch(
    chunks: AsyncIterable<Uint8Array>,
    path: string,
    most = Number.POSITIVE_INFINITY,
  ): Promise<string> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const file = await open(path, 'wx', 0o600);
    const hash = createHash('sha256');
    let bytes = 0;
    try {
      for await (const chunk of chunks) {
        bytes += chunk.byteLength;
        // A wrong object must not fill the disk before its hash says so.
        if (bytes > most) break;
        hash.update(chunk);
        await file.writeFile(chunk);
      }
    } finally {
      await file.close();
    }
    return hash.digest('hex');
  }

  async #forgetUnused(): Promise<void> {
    for (const name of await readdir(this.#folder)) {
      const path = join(this.#folder, name);
      const age = Date.now() - ((await stat(path).catch(() => undefined))?.mtimeMs ?? Date.now());
      if (age > UNUSED_MS) await rm(path, { force: true });
    }
  }
}
