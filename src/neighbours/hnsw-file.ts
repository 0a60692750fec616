import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { FoilbankError, reasonOf } from '../errors.js';

/** What the file must hold. */
export interface HnswShape {
  readonly candidates: number;
  readonly dimension: number;
}

/** hnswlib's header, little-endian: byte offsets of the fields that are checked. */
const HEADER_BYTES = 96;
const COUNT_AT = 16;
const ELEMENT_BYTES_AT = 24;
const LABEL_AT = 32;
const DATA_AT = 40;

/**
 * Hands `use` the path of a private copy whose bytes hash to `sha256`, and removes the copy afterwards.
 *
 * hnswlib reads by path and trusts what it reads; a crafted file can overflow the heap. Hashing the published file and then
 * letting hnswlib open it again would leave a moment in which it can be exchanged, so the bytes are hashed while they are copied
 * into a folder that only this user may enter, and hnswlib reads the copy.
 *
 * @throws FoilbankError FB_INDEX_HASH_MISMATCH, FB_FILE_UNREADABLE
 */
export async function withVerifiedCopy<T>(
  file: string,
  sha256: string,
  use: (copy: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'foilbank-index-'));
  try {
    const copy = join(folder, 'index.hnsw');
    const actual = await copyAndHash(file, copy);
    if (actual !== sha256.toLowerCase())
      throw new FoilbankError('FB_INDEX_HASH_MISMATCH', { file, actual, expected: sha256 });
    return await use(copy);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function copyAndHash(file: string, copy: string): Promise<string> {
  const hash = createHash('sha256');
  const target = await open(copy, 'wx', 0o600);
  try {
    const source = createReadStream(file, { highWaterMark: 1 << 20 });
    await pipeline(source, async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) {
        hash.update(chunk);
        await target.writeFile(chunk);
      }
    });
  } catch (error) {
    throw new FoilbankError('FB_FILE_UNREADABLE', { file, reason: reasonOf(error) }, { cause: error });
  } finally {
    await target.close();
  }
  return hash.digest('hex');
}

/**
 * Compares the header and the size of an hnswlib file with what it must hold: an index of other vectors would be read out of
 * bounds, and a full disk leaves a short file without an error.
 *
 * @param name of the file, in errors
 * @throws FoilbankError FB_INDEX_MISMATCH
 */
export async function checkHnswFile(file: string, { candidates, dimension }: HnswShape, name = file) {
  const expect = (field: string, actual: number, expected: number) => {
    if (actual !== expected)
      throw new FoilbankError('FB_INDEX_MISMATCH', { file: name, field, actual, expected });
  };
  const handle = await open(file, 'r');
  try {
    const { size } = await handle.stat();
    if (size < HEADER_BYTES) expect('size in bytes', size, HEADER_BYTES);
    const header = Buffer.alloc(HEADER_BYTES);
    await handle.read(header, 0, HEADER_BYTES, 0);
    const field = (at: number) => Number(header.readBigUInt64LE(at));
    expect('number of candidates', field(COUNT_AT), candidates);
    expect('dimension', (field(LABEL_AT) - field(DATA_AT)) / Float32Array.BYTES_PER_ELEMENT, dimension);

    // After the bottom layer, each candidate has the byte length of its upper links and the links themselves.
    const upper = HEADER_BYTES + candidates * field(ELEMENT_BYTES_AT);
    const links = Buffer.alloc(Math.max(0, size - upper));
    await handle.read(links, 0, links.length, upper);
    let at = 0;
    let lists = 0;
    for (; lists < candidates && at + 4 <= links.length; lists++) at += 4 + links.readUInt32LE(at);
    expect('number of link lists', lists, candidates);
    expect('size in bytes', size, upper + at);
  } finally {
    await handle.close();
  }
}
