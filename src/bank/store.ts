/**
 * The port between a bank and the place that keeps its files: objects under keys, as a directory and an object store
 * both have them. A key is relative, with forward slashes, and made by layout.ts alone. `test/contract/store.ts` says in
 * tests what every store must do.
 */
export interface BankStore {
  /** For messages: a directory or an address, never a credential. */
  readonly location: string;

  /** The object's bytes in order, in chunks of at most 1 MiB. @returns undefined when there is no such object */
  read(key: string): Promise<AsyncIterable<Uint8Array> | undefined>;

  /** Puts an object in place of any other, all at once. It has survived a power cut once the promise resolves. */
  write(key: string, body: Body): Promise<void>;

  /** As `write`, unless the object exists: of any number of writers at once, one gets true. */
  writeNew(key: string, body: Body): Promise<boolean>;

  /** @returns undefined when there is no such object */
  stat(key: string): Promise<StoredObject | undefined>;

  /** All objects below a folder, however deep, by ascending key. None when there is no such folder. */
  list(folder: string): Promise<readonly StoredObject[]>;

  /** Names one level below a folder ('' for the root) under which there are objects, ascending. */
  folders(folder: string): Promise<readonly string[]>;

  /** An object that is not there is no error. */
  remove(key: string): Promise<void>;

  /**
   * A path at which this machine can read the object, fetched if need be. For libraries that only open files.
   *
   * @param expected what the file at the path must be
   * @throws FoilbankError FB_BANK_CORRUPT when it is missing or another than expected
   */
  localFile(key: string, expected?: Expected): Promise<string>;

  /** Removes what writes below the folder left behind when they were killed before the given time. */
  sweep(folder: string, before: Date): Promise<void>;
}

/** What an object must be. */
export interface Expected {
  readonly bytes: number;
  readonly sha256: string;
}

export type Body = Uint8Array | AsyncIterable<Uint8Array>;

export interface StoredObject {
  readonly key: string;
  readonly bytes: number;
  readonly modified: Date;
}

/** How much is read, hashed or written before the event loop gets its turn. */
export const CHUNK_BYTES = 1 << 20;
