import { FoilbankError } from '../errors.js';
import { float32, floatsOf, GraphBuilder, type InferencePool, int64, type Network } from '../onnx/index.js';
import type { UnitMatrix } from '../vectors/index.js';
import { type Batch, BatchQueue } from './batches.js';
import { checkSearch, type NeighbourEngine, type Neighbours } from './engine.js';
import { sortNeighbours } from './order.js';

/** Batch sizes that the sessions see: few enough for its memory to stay flat, and near enough to each other, as empty rows cost what full ones do. */
const BATCH_SIZES = [1, 2, 4, 8, 16, 24, 32, 40, 48, 56, 64];
/** Bounds of one run's intermediate [batch, candidates] and results [batch, width], in elements. */
const MAX_SIMILARITIES = 2 ** 24;
const MAX_RESULTS = 2 ** 22;

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

/**
 * Exact search: one matrix product of a batch of queries with all candidates, and the k largest of each row. An ONNX graph, so
 * both steps are native code and run in the pool's threads. Putting them in order is left to {@link sortNeighbours}: onnxruntime
 * takes half as long for it again as for finding some hundred.
 */
export class ExactEngine implements NeighbourEngine {
  readonly kind = 'exact';
  readonly candidates: number;
  readonly dimension: number;
  readonly #network: Network;
  readonly #queue: BatchQueue;

  private constructor(candidates: UnitMatrix, network: Network, concurrency: number) {
    this.candidates = candidates.rows;
    this.dimension = candidates.dimension;
    this.#network = network;
    this.#queue = new BatchQueue({
      concurrency,
      sizes: (width) => batchSizes(this.candidates, width),
      run: (batch) => this.#run(batch),
    });
  }

  /** @throws FoilbankError FB_CANDIDATES_EMPTY, FB_MODEL_LOAD_FAILED */
  static async create({ candidates, pool, giveAway = false }: ExactOptions): Promise<ExactEngine> {
    if (candidates.rows === 0) throw new FoilbankError('FB_CANDIDATES_EMPTY', {});
    const { data } = giveAway ? candidates : candidates.shared();
    const source = {
      name: 'exact search',
      graph: exactGraph(candidates.dimension),
      constants: { candidates: float32(data, [candidates.rows, candidates.dimension]) },
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

  async #run({ queries, size, count, width, wantsRows }: Batch) {
    const feeds = { queries: float32(queries, [size, this.dimension]), k: int64([width]) };
    const outputs = wantsRows ? ['similarities', 'rows'] : ['similarities'];
    const results = await this.#network.run(feeds, { outputs, transfer: true });
    const rows = results.rows?.type === 'int32' ? results.rows.data : new Int32Array(0);
    const similarities = floatsOf(results, 'similarities');
    sortNeighbours(similarities.subarray(0, count * width), rows.subarray(0, count * width), width);
    return { similarities, rows };
  }
}

function batchSizes(candidates: number, width: number): readonly number[] {
  const most = Math.min(MAX_SIMILARITIES / candidates, MAX_RESULTS / width);
  return BATCH_SIZES.filter((size) => size === 1 || size <= most);
}

/** queries [b, d], candidates [n, d], k [1] → similarities [b, k] and rows [b, k] in any order; of a tie TopK takes the lower rows. */
function exactGraph(dimension: number): Uint8Array {
  const g = new GraphBuilder('exact-search');
  const queries = g.input('queries', 'float32', ['b', dimension]);
  const candidates = g.input('candidates', 'float32', ['n', dimension]);
  const k = g.input('k', 'int64', [1]);
  const products = g.node('Gemm', [queries, candidates], { transB: 1 });
  const [similarities, rows] = g.nodes('TopK', [products, k], { axis: -1, largest: 1, sorted: 0 }, 2);
  g.output('similarities', similarities!, 'float32', ['b', 'k']);
  g.output('rows', g.node('Cast', [rows!], { to: 6 }), 'int32', ['b', 'k']);
  return g.build();
}
