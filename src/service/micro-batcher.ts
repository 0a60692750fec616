import { FoilbankError } from '../errors.js';

export interface BatcherOptions<Item, Result> {
  /** Rows of one batch; a larger item makes a batch of its own. */
  readonly maxRows: number;
  /** Milliseconds that an item waits for others while the engine is busy, though it could take one more batch. */
  readonly maxWaitMs: number;
  /** Batches under way at once. */
  readonly concurrency: number;
  /** Rows that may wait; what comes beyond them is refused at once rather than answered late. */
  readonly maxWaiting: number;
  rowsOf(item: Item): number;
  /** @param items all of one key. @returns one result an item, in order */
  run(items: readonly Item[], key: string): Promise<readonly Result[]>;
}

interface Waiting<Item, Result> {
  readonly key: string;
  readonly item: Item;
  readonly rows: number;
  readonly since: number;
  resolve(result: Result): void;
  reject(error: unknown): void;
  /** It is in a batch, which goes on whatever its signal says. */
  taken(): void;
}

/**
 * Gathers requests that come at the same time into batches. An idle engine gets what is there at once; a busy one gets a full
 * batch, or what has waited long enough.
 */
export class MicroBatcher<Item, Result> {
  readonly #options: BatcherOptions<Item, Result>;
  #waiting: Waiting<Item, Result>[] = [];
  #rows = 0;
  #underWay = 0;
  #scheduled = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: BatcherOptions<Item, Result>) {
    this.#options = options;
  }

  /** Rows that wait. */
  get depth(): number {
    return this.#rows;
  }

  /**
   * @param key only items of one key share a batch
   * @throws FoilbankError FB_OVERLOADED, FB_CANCELLED when the signal aborts while it waits, and what `run` throws
   */
  submit(key: string, item: Item, signal?: AbortSignal): Promise<Result> {
    const rows = this.#options.rowsOf(item);
    // One item alone may be larger than the queue: its own limit is another's business.
    if (this.#rows > 0 && this.#rows + rows > this.#options.maxWaiting)
      return Promise.reject(
        new FoilbankError('FB_OVERLOADED', {
          what: 'embeddings that wait',
          limit: this.#options.maxWaiting,
        }),
      );
    return new Promise((resolve, reject) => {
      const waiting = { key, item, rows, since: performance.now(), resolve, reject, taken: () => {} };
      if (signal?.aborted) return reject(new FoilbankError('FB_CANCELLED', { what: 'lookup' }));
      if (signal) {
        const drop = () => {
          const at = this.#waiting.indexOf(waiting);
          if (at < 0) return;
          this.#waiting.splice(at, 1);
          this.#rows -= rows;
          reject(new FoilbankError('FB_CANCELLED', { what: 'lookup' }));
        };
        signal.addEventListener('abort', drop, { once: true });
        // The signal lives on until the client has read its answer, and would keep the item so long.
        waiting.taken = () => signal.removeEventListener('abort', drop);
      }
      this.#waiting.push(waiting);
      this.#rows += rows;
      this.#schedule();
    });
  }

  /** Requests of one turn of the event loop come into one batch. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { concurrency, maxRows, maxWaitMs } = this.#options;
    while (this.#underWay < concurrency && this.#waiting.length > 0) {
      const rest = maxWaitMs - (performance.now() - this.#waiting[0]!.since);
      if (this.#underWay > 0 && this.#rows < maxRows && rest > 0) {
        this.#timer = setTimeout(() => this.#dispatch(), rest);
        return;
      }
      void this.#run(this.#take());
    }
  }

  /** The oldest item and those of its key that fit beside it. */
  #take(): Waiting<Item, Result>[] {
    const { key } = this.#waiting[0]!;
    let room = this.#options.maxRows;
    const taken: Waiting<Item, Result>[] = [];
    const left: Waiting<Item, Result>[] = [];
    for (const waiting of this.#waiting) {
      const fits = waiting.key === key && (taken.length === 0 || waiting.rows <= room);
      if (fits) {
        taken.push(waiting);
        waiting.taken();
        room -= waiting.rows;
        this.#rows -= waiting.rows;
      } else left.push(waiting);
    }
    this.#waiting = left;
    return taken;
  }

  async #run(batch: readonly Waiting<Item, Result>[]): Promise<void> {
    this.#underWay++;
    try {
      const results = await this.#options.run(
        batch.map(({ item }) => item),
        batch[0]!.key,
      );
      for (const [i, { resolve }] of batch.entries()) resolve(results[i]!);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      this.#underWay--;
      this.#dispatch();
    }
  }
}
