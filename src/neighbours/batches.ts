import type { UnitMatrix } from '../vectors/index.js';
import type { Neighbours } from './engine.js';

/** The rows of a request that a batch takes. */
interface Slice {
  readonly request: Request;
  readonly begin: number;
  readonly count: number;
}

interface Request {
  readonly queries: UnitMatrix;
  readonly width: number;
  readonly wantsRows: boolean;
  readonly result: Neighbours;
  /** Rows given to a batch so far, and rows answered so far. */
  taken: number;
  answered: number;
  resolve(result: Neighbours): void;
  reject(error: unknown): void;
}

export interface Batch {
  /** Query vectors, shape [size, dimension]; rows from `count` on repeat the first. Ours to give away. */
  readonly queries: Float32Array;
  readonly size: number;
  readonly count: number;
  readonly width: number;
  readonly wantsRows: boolean;
}

export interface BatchOptions {
  /** Among how many what waits is shared out. One batch more is under way: while it is put in order, the next is searched. */
  readonly threads: number;
  /** Rows of a batch up to which sharing them out would cost more than it gains. */
  readonly worthSharing: number;
  /** The allowed batch sizes for a width, ascending. */
  sizes(width: number): readonly number[];
  /** Searches one batch: `similarities` and (if wanted) `rows` have shape [count, width], or more rows. */
  run(batch: Batch): Promise<{ similarities: Float32Array; rows: Int32Array }>;
}

/**
 * Cuts requests into batches of fixed sizes, and joins requests that wait at the same time into one batch: matrix products
 * cost far less per query at 64 than at 1. Nothing waits for a batch to fill up; it fills while the threads are busy.
 */
export class BatchQueue {
  readonly #options: BatchOptions;
  #waiting: Request[] = [];
  #underWay = 0;
  #scheduled = false;

  constructor(options: BatchOptions) {
    this.#options = options;
  }

  submit(queries: UnitMatrix, width: number, wantsRows: boolean): Promise<Neighbours> {
    const cells = queries.rows * width;
    const result = {
      width,
      similarities: new Float32Array(cells),
      rows: new Int32Array(wantsRows ? cells : 0),
    };
    if (queries.rows === 0) return Promise.resolve(result);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ queries, width, wantsRows, result, taken: 0, answered: 0, resolve, reject });
      this.#schedule();
    });
  }

  /** Calls made in one turn of the event loop come into one batch. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      while (this.#underWay <= this.#options.threads && this.#waiting.length > 0) void this.#runNext();
    });
  }

  async #runNext(): Promise<void> {
    const slices = this.#take();
    this.#underWay++;
    try {
      const batch = this.#assemble(slices);
      deliver(slices, await this.#options.run(batch));
    } catch (error) {
      const failed = new Set(slices.map((s) => s.request));
      this.#waiting = this.#waiting.filter((r) => !failed.has(r));
      for (const request of failed) request.reject(error);
    } finally {
      this.#underWay--;
      this.#schedule();
    }
  }

  /** A thread's share of the waiting rows, if it fits one batch; all of them searched as the oldest request wants. */
  #take(): Slice[] {
    const { width, wantsRows } = this.#waiting[0]!;
    const alike = this.#waiting.filter((r) => r.width === width && r.wantsRows === wantsRows);
    const { threads, worthSharing } = this.#options;
    const rows = alike.reduce((sum, r) => sum + r.queries.rows - r.taken, 0);
    const share = Math.max(worthSharing, rows / threads);
    const sizes = this.#options.sizes(width);
    let room = sizes.find((size) => size >= share) ?? sizes.at(-1)!;
    const slices: Slice[] = [];
    for (const request of alike) {
      if (room === 0) break;
      const count = Math.min(room, request.queries.rows - request.taken);
      slices.push({ request, begin: request.taken, count });
      request.taken += count;
      room -= count;
    }
    this.#waiting = this.#waiting.filter((r) => r.taken < r.queries.rows);
    return slices;
  }

  #assemble(slices: readonly Slice[]): Batch {
    const { queries: first, width, wantsRows } = slices[0]!.request;
    const count = slices.reduce((sum, s) => sum + s.count, 0);
    const size = this.#options.sizes(width).find((s) => s >= count)!;
    const queries = new Float32Array(size * first.dimension);
    let row = 0;
    for (const { request, begin, count: rows } of slices) {
      queries.set(request.queries.slice(begin, begin + rows).data, row * first.dimension);
      row += rows;
    }
    // What is not asked costs as much as what is; zeros could cost more, as everything is equally far from them.
    for (; row < size; row++) queries.copyWithin(row * first.dimension, 0, first.dimension);
    return { queries, size, count, width, wantsRows };
  }
}

function deliver(slices: readonly Slice[], found: { similarities: Float32Array; rows: Int32Array }): void {
  let row = 0;
  for (const { request, begin, count } of slices) {
    const { width, similarities, rows } = request.result;
    const from = row * width;
    const to = (row + count) * width;
    similarities.set(found.similarities.subarray(from, to), begin * width);
    if (request.wantsRows) rows.set(found.rows.subarray(from, to), begin * width);
    row += count;
    request.answered += count;
    if (request.answered === request.queries.rows) request.resolve(request.result);
  }
}
