import { chunksOf } from './hashing.js';
import type { Body } from './store.js';

/** What is to be written, read once: its beginning is looked at to learn whether it is small. */
export class Peeked {
  readonly #pieces: AsyncIterator<Uint8Array>;
  readonly #head: Uint8Array[] = [];
  /** What the source itself failed with. */
  error: unknown;

  constructor(body: Body) {
    this.#pieces = chunksOf(body)[Symbol.asyncIterator]();
  }

  /** The whole of it when it is shorter than this, else undefined. */
  async upTo(bytes: number): Promise<Uint8Array | undefined> {
    for (let held = 0; held < bytes; ) {
      const chunk = await this.#next();
      if (!chunk) return Buffer.concat(this.#head);
      this.#head.push(chunk);
      held += chunk.byteLength;
    }
    return undefined;
  }

  async *chunks(): AsyncIterable<Uint8Array> {
    yield* this.#head.splice(0);
    for (;;) {
      const chunk = await this.#next();
      if (!chunk) return;
      yield chunk;
    }
  }

  async close(): Promise<void> {
    await this.#pieces.return?.();
  }

  /** A copy, for it is kept while the source goes on. */
  async #next(): Promise<Uint8Array | undefined> {
    try {
      const { done, value } = await this.#pieces.next();
      return done ? undefined : Uint8Array.from(value);
    } catch (error) {
      this.error = error;
      throw error;
    }
  }
}
