import { randomUUID } from 'node:crypto';
import * as nodeFs from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import { FoilbankError, reasonOf } from '../errors.js';
import { checkObject, chunksOf } from './hashing.js';
import { type BankStore, type Body, CHUNK_BYTES, type Expected, type StoredObject } from './store.js';

/** The file system calls a FileStore makes. Replaceable, so that tests can make each of them fail. */
export type FileSystem = Pick<
  typeof nodeFs,
  'link' | 'mkdir' | 'open' | 'readdir' | 'rename' | 'stat' | 'unlink'
>;

/** What is read at once of the many small objects: a whole chunk for each keeps the garbage collector busy. */
const LEAST_CHUNK_BYTES = 1 << 14;
const TEMPORARY = '.tmp-';
const isHidden = (name: string): boolean => name.startsWith('.');

/**
 * A store in a directory. Every write goes to a temporary file beside its target, is flushed, then renamed (or, for
 * `writeNew`, linked) onto the name, and the directory is flushed: whoever reads sees the old object or the new one.
 *
 * A drive that is not mounted looks like a directory that is missing or empty. Where this store has seen anything in its
 * directory before, it says so (FB_STORE_UNREACHABLE) and neither reports that nothing is there nor writes beside it.
 */
export class FileStore implements BankStore {
  readonly location: string;
  readonly #fs: FileSystem;
  #everHeld = false;

  constructor(directory: string, fs: FileSystem = nodeFs) {
    this.location = resolve(directory);
    this.#fs = fs;
  }

  async read(key: string): Promise<AsyncIterable<Uint8Array> | undefined> {
    const file = await this.#unlessAbsent(key, () => this.#fs.open(this.#path(key), 'r'));
    return file && this.#chunks(key, file);
  }

  async *#chunks(key: string, file: nodeFs.FileHandle): AsyncIterable<Uint8Array> {
    try {
      const { size } = await file.stat();
      const most = Math.min(CHUNK_BYTES, Math.max(LEAST_CHUNK_BYTES, size));
      for (;;) {
        const chunk = Buffer.allocUnsafeSlow(most);
        const { bytesRead } = await file.read(chunk, 0, most);
        if (bytesRead === 0) return;
        yield chunk.subarray(0, bytesRead);
      }
    } catch (error) {
      throw unreadable(this.#path(key), error);
    } finally {
      await file.close();
    }
  }

  async write(key: string, body: Body): Promise<void> {
    await this.#put(key, body, async (temporary, target) => {
      await this.#fs.rename(temporary, target);
      return true;
    });
  }

  async writeNew(key: string, body: Body): Promise<boolean> {
    return this.#put(key, body, async (temporary, target) => {
      try {
        await this.#fs.link(temporary, target);
        return true;
      } catch (error) {
        if (codeOf(error) === 'EEXIST') return false;
        throw error;
      } finally {
        await this.#fs.unlink(temporary);
      }
    });
  }

  async #put(
    key: string,
    body: Body,
    commit: (temporary: string, target: string) => Promise<boolean>,
  ): Promise<boolean> {
    const target = this.#path(key);
    const folder = dirname(target);
    const temporary = join(folder, `${TEMPORARY}${randomUUID()}`);
    try {
      const file = await this.#create(temporary, key);
      try {
        for await (const chunk of chunksOf(body)) await file.writeFile(chunk);
        await file.sync();
      } finally {
        await file.close();
      }
      const committed = await commit(temporary, target);
      await this.#flushFolder(folder);
      this.#everHeld = true;
      return committed;
    } catch (error) {
      await this.#fs.unlink(temporary).catch(() => {});
      if (error instanceof FoilbankError) throw error;
      throw this.#unwritable(target, error);
    }
  }

  async #create(file: string, key: string): Promise<nodeFs.FileHandle> {
    try {
      return await this.#fs.open(file, 'wx');
    } catch (error) {
      if (!isAbsence(error)) throw error;
      await this.#checkMounted(key);
      await this.#makeFolder(dirname(file));
      return await this.#fs.open(file, 'wx');
    }
  }

  async stat(key: string): Promise<StoredObject | undefined> {
    const stat = await this.#unlessAbsent(key, () => this.#fs.stat(this.#path(key)));
    return stat?.isFile() ? { key, bytes: stat.size, modified: stat.mtime } : undefined;
  }

  async list(folder: string): Promise<readonly StoredObject[]> {
    const found: StoredObject[] = [];
    for (const name of await this.#names(folder)) {
      if (isHidden(name)) continue;
      const key = folder ? `${folder}/${name}` : name;
      const object = await this.stat(key);
      found.push(...(object ? [object] : await this.list(key)));
    }
    // A key's order is not that of its folders' names: "a-b/c" comes before "a/c".
    return found.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  async folders(folder: string): Promise<readonly string[]> {
    const found: string[] = [];
    for (const name of await this.#names(folder)) {
      if (isHidden(name)) continue;
      const below = await this.list(folder ? `${folder}/${name}` : name);
      if (below.length > 0) found.push(name);
    }
    return found.sort();
  }

  async remove(key: string): Promise<void> {
    const path = this.#path(key);
    try {
      await this.#fs.unlink(path);
      await this.#flushFolder(dirname(path));
    } catch (error) {
      if (!isAbsence(error)) throw this.#unwritable(path, error);
      await this.#checkMounted(key);
    }
  }

  async localFile(key: string, expected?: Expected): Promise<string> {
    if (expected) await checkObject(this, key, expected);
    return this.#path(key);
  }

  async sweep(folder: string, before: Date): Promise<void> {
    for (const name of await this.#names(folder)) {
      const path = join(this.#path(folder), name);
      const stat = await this.#unlessAbsent(folder, () => this.#fs.stat(path));
      if (stat?.isDirectory()) await this.sweep(folder ? `${folder}/${name}` : name, before);
      else if (stat && name.startsWith(TEMPORARY) && stat.mtime < before)
        await this.#fs.unlink(path).catch(() => {});
    }
  }

  async #names(folder: string): Promise<string[]> {
    if (folder === '') await this.#checkMounted(folder);
    return (await this.#unlessAbsent(folder, () => this.#fs.readdir(this.#path(folder)))) ?? [];
  }

  /** Nothing to be checked before anything was seen: a directory that is missing is a store to be. @throws FoilbankError FB_STORE_UNREACHABLE */
  async #checkMounted(key: string): Promise<void> {
    const names = await this.#fs.readdir(this.location).catch((error: unknown) => {
      if (isAbsence(error)) return [];
      throw unreadable(this.location, error);
    });
    const holds = names.some((name) => !isHidden(name));
    if (this.#everHeld && !holds)
      throw new FoilbankError('FB_STORE_UNREACHABLE', {
        ...{ store: this.location, file: key || 'its banks' },
        reason: 'the directory is missing or empty, and was not before',
      });
    this.#everHeld ||= holds;
  }

  async #makeFolder(folder: string): Promise<void> {
    const first = await this.#fs.mkdir(folder, { recursive: true });
    // A new directory is only safe once its parent was flushed, and its parent's parent if that is new too.
    if (first)
      for (let made = folder; made.length >= first.length; made = dirname(made))
        await this.#flushFolder(dirname(made));
  }

  async #flushFolder(folder: string): Promise<void> {
    const handle = await this.#fs.open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  #path(key: string): string {
    const path = resolve(this.location, key);
    if (path !== this.location && !path.startsWith(this.location + sep))
      throw new TypeError(`key ${JSON.stringify(key)} leaves the store`);
    return path;
  }

  async #unlessAbsent<T>(key: string, call: () => Promise<T>): Promise<T | undefined> {
    try {
      return await call();
    } catch (error) {
      if (!isAbsence(error)) throw unreadable(this.#path(key), error);
      await this.#checkMounted(key);
      return undefined;
    }
  }

  #unwritable(file: string, error: unknown): FoilbankError {
    const full = ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(codeOf(error) ?? '');
    return full
      ? new FoilbankError('FB_STORE_FULL', { store: this.location, file }, { cause: error })
      : new FoilbankError('FB_FILE_UNWRITABLE', { file, reason: reasonOf(error) }, { cause: error });
  }
}

function unreadable(file: string, error: unknown): FoilbankError {
  if (error instanceof FoilbankError) return error;
  return new FoilbankError('FB_FILE_UNREADABLE', { file, reason: reasonOf(error) }, { cause: error });
}

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
const isAbsence = (error: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes(codeOf(error) ?? '');
