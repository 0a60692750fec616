import { FoilbankError } from '../errors.js';
import { float32, floatsOf, free, type InferencePool, type Network } from '../onnx/index.js';
import type { UnitMatrix } from '../vectors/index.js';
import { type Batch, BatchQueue } from './batches.js';
import { checkSearch, type NeighbourEngine, type Neighbours } from './engine.js';
import {
  type Blocks,
  blocksOf,
  everything,
  exactGraph,
  feedsOf,
  type Sieve,
  sieveFor,
} from './exact-graph.js';
import type { Found } from './order.js';
import { keepNearest, type Passed } from './passed.js';

/** Batch sizes that the sessions see: few enough for its memory to stay flat, and near enough to each other, as empty rows cost what full ones do. */
const BATCH_SIZES = [1, 2, 4, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256];
/** Bounds of one run's intermediate [batch, candidates], 4 bytes an element, and of what is looked at of it, 8 bytes an element. */
const BOUNDS = { similarities: 2 ** 24, looked: 2 ** 22 };
/** More rows than this save a tenth each time that they double, but not where that takes blocks of memory that are mapped anew for each run. */
const MANY_ROWS = 64;
const BOUNDS_OF_MANY = { similarities: 2 ** 23, looked: 2 ** 20 - 1 };

export interface ExactOptions {
  /** Shape [n, d], n ≥ 1. */
  readonly candidates: UnitMatrix;
  /**
   * Where the searches run. Each of its threads keeps a copy of the candidates (4·n·d bytes), so a pool of one thread with
   * several `intraOpNumThreads` needs least memory and answers single queries soonest.
   */
  readonly pool: InferencePool;
  /** Moves the candidates to the pool's thread, of which there must be one: they lie in memory once, and are gone here. */
  readonly giveAway?: boolean;
}

/** How so many neighbours are searched for. */
interface Plan {
  readonly sieve: Sieve;
  /** Batch sizes that keep to the bounds, ascending. */
  readonly sizes: readonly number[];
}

/**
 * Exact search: one matrix product of a batch of queries with all candidates, a threshold for each query that a sample says its k nearest
 * will reach, and the order of those that do. The first two are an ONNX graph, so they are native code and run in the pool's threads.
 * A query whose threshold fewer than k reach is searched again without one.
 */
export class ExactEngine implements NeighbourEngine {
  readonly kind = 'exact';
  readonly candidates: number;
  readonly dimension: number;
  readonly #blocks: Blocks;
  readonly #network: Network;
  readonly #queue: BatchQueue;
  readonly #plans = new Map<number, Plan>();

  private constructor(candidates: UnitMatrix, network: Network, threads: number) {
    this.candidates = candidates.rows;
    this.dimension = candidates.dimension;
    this.#network = network;
    this.#blocks = blocksOf(candidates.rows);
    this.#queue = new BatchQueue({
      ...{ threads, worthSharing: MANY_ROWS },
      sizes: (width) => this.#planFor(width).sizes,
      run: (batch) => this.#run(batch),
    });
  }

  /** @throws FoilbankError FB_CANDIDATES_EMPTY, FB_MODEL_LOAD_FAILED */
  static async create({ candidates, pool, giveAway = false }: ExactOptions): Promise<ExactEngine> {
    if (candidates.rows === 0) throw new FoilbankError('FB_CANDIDATES_EMPTY', {});
    const { data, rows, dimension } = giveAway ? candidates : candidates.shared();
    const source = {
      name: 'exact search',
      graph: exactGraph(dimension, blocksOf(rows)),
      constants: { candidates: float32(data, [rows, dimension]) },
    };
    const network = await pool.load(source, { transfer: giveAway });
    return new ExactEngine(candidates, network, pool.threads);
  }

  async nearest(queries: UnitMatrix, k: number): Promise<Neighbours> {
    return this.#queue.submit(queries, checkSearch(this, queries, k), true);
  }

  async nearestSimilarities(queries: UnitMatrix, k: number): Promise<Neighbours> {
    return this.#queue.submit(queries, checkSearch(this, queries, k), false);
  }

  close(): Promise<void> {
    return this.#network.release();
  }

  #planFor(width: number): Plan {
    const known = this.#plans.get(width);
    if (known) return known;
    const sieve = sieveFor(this.#blocks, width) ?? everything(this.#blocks);
    const fits = (size: number) => {
      const { similarities, looked } = size > MANY_ROWS ? BOUNDS_OF_MANY : BOUNDS;
      return size * this.candidates <= similarities && size * sieve.looked <= looked;
    };
    const plan = { sieve, sizes: BATCH_SIZES.filter((size) => size === 1 || fits(size)) };
    this.#plans.set(width, plan);
    return plan;
  }

  async #run({ queries, size, count, width, wantsRows }: Batch): Promise<Found> {
    const cells = count * width;
    const found = { similarities: new Float32Array(cells), rows: new Int32Array(wantsRows ? cells : 0) };
    const lacking = await this.#search(queries, size, this.#planFor(width).sieve, (passed) =>
      keepNearest(passed, this.#blocks, count, width, found),
    );
    for (const query of lacking) {
      const [at, after] = [query * this.dimension, (query + 1) * this.dimension];
      const [from, to] = [query * width, (query + 1) * width];
      const its = {
        similarities: found.similarities.subarray(from, to),
        rows: found.rows.subarray(from, to),
      };
      await this.#search(queries.subarray(at, after), 1, everything(this.#blocks), (all) =>
        keepNearest(all, this.#blocks, 1, width, its),
      );
    }
    return found;
  }

  /** @param use of what has passed, whose memory is given back at once: the next search takes the same, in place of new pages */
  async #search<T>(
    queries: Float32Array,
    size: number,
    sieve: Sieve,
    use: (passed: Passed) => T,
  ): Promise<T> {
    const feeds = { queries: float32(queries, [size, this.dimension]), ...feedsOf(sieve) };
    const results = await this.#network.run(feeds);
    const { places, blocks } = results;
    if (places?.type !== 'int32' || blocks?.type !== 'int32')
      throw new TypeError('exact search has other outputs');
    const similarities = floatsOf(results, 'similarities');
    try {
      return use({ similarities, places: places.data, blocks: blocks.data });
    } finally {
      free(Object.values(results));
    }
  }
}
