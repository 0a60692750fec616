import { createHash } from 'node:crypto';
import { FoilbankError } from '../errors.js';
import { type BankStore, type Body, CHUNK_BYTES, type Expected } from './store.js';

export function sha256Of(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The same bytes, hashed and counted while they pass. Read `digest()` when all have. */
export function hashed(body: Body): {
  stream: AsyncIterable<Uint8Array>;
  digest(): { bytes: number; sha256: string };
} {
  const hash = createHash('sha256');
  let bytes = 0;
  async function* stream() {
    for await (const chunk of chunksOf(body)) {
      hash.update(chunk);
      bytes += chunk.byteLength;
      yield chunk;
    }
  }
  return { stream: stream(), digest: () => ({ bytes, sha256: hash.digest('hex') }) };
}

export async function digestOf(body: Body): Promise<Expected> {
  const { stream, digest } = hashed(body);
  for await (const _ of stream);
  return digest();
}

/** Cut small enough that hashing or writing one does not hold the event loop. */
export async function* chunksOf(body: Body): AsyncIterable<Uint8Array> {
  const pieces = body instanceof Uint8Array ? [body] : body;
  for await (const piece of pieces)
    for (let at = 0; at < piece.byteLength; at += CHUNK_BYTES) yield piece.subarray(at, at + CHUNK_BYTES);
}

/**
 * Streams an object past its hash. The size is compared first, so that a wrong one is not read to its end.
 *
 * @param keep called with each chunk in turn
 * @throws FoilbankError FB_BANK_CORRUPT when it is missing or another than expected
 */
export async function checkObject(
  store: BankStore,
  key: string,
  expected: Expected,
  keep?: (chunk: Uint8Array, at: number) => void,
): Promise<void> {
  const corrupt = (reason: string) => new FoilbankError('FB_BANK_CORRUPT', { file: key, reason });
  const stat = await store.stat(key);
  if (stat && stat.bytes !== expected.bytes)
    throw corrupt(`it has ${stat.bytes} bytes, ${expected.bytes} were written`);
  const chunks = await store.read(key);
  if (!chunks) throw corrupt('it is missing');
  const hash = createHash('sha256');
  let at = 0;
  for await (const chunk of chunks) {
    if (at + chunk.byteLength > expected.bytes) throw corrupt('it grew while it was read');
    hash.update(chunk);
    keep?.(chunk, at);
    at += chunk.byteLength;
  }
  const actual = hash.digest('hex');
  if (actual !== expected.sha256) throw corrupt(`it hashes to ${actual}, ${expected.sha256} was written`);
}

/** The whole object, checked. @throws FoilbankError FB_BANK_CORRUPT */
export async function readChecked(store: BankStore, key: string, expected: Expected): Promise<Uint8Array> {
  let bytes: Uint8Array | undefined;
  await checkObject(store, key, expected, (chunk, at) => {
    // Only once the size on disk agreed: a wrong manifest must not claim memory.
    bytes ??= new Uint8Array(expected.bytes);
    bytes.set(chunk, at);
  });
  return bytes ?? new Uint8Array(0);
}

/** A whole small object of unknown hash. @returns undefined when it does not exist */
export async function readWhole(store: BankStore, key: string): Promise<Uint8Array | undefined> {
  const chunks = await store.read(key);
  if (!chunks) return undefined;
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk.slice());
  return new Uint8Array(Buffer.concat(parts));
}
