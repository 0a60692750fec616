import { throwIfCancelled } from '../errors.js';
import type { Exclusion } from '../neighbours/index.js';
import { float32, floatsOf, type InferencePool, type Network, type TensorData } from '../onnx/index.js';
import type { UnitMatrix } from '../vectors/index.js';
import {
  checkExclusions,
  type DiscrepancyEstimate,
  type EstimateOptions,
  type Estimator,
  exclusionAt,
} from './estimator.js';
import type { VirtualEstimator } from './virtual.js';

export interface LearnedOptions {
  readonly pool: InferencePool;
  /** The serialised graph of `learnEstimator`, or where it is. */
  readonly graph: string | Uint8Array;
  readonly dimension: number;
  /** Distance above which a query is none that it learned from. */
  readonly distanceLimit: number;
  /** What it imitates: answers in its place where it must not. */
  readonly bank: VirtualEstimator;
}

/** Sizes that its sessions see, ascending; the last batch of a request is padded to one of them. */
const BATCH_SIZES = [1, 16, 256] as const;
const MOST = 256;

/**
 * r and σ from a small network that has learned what a bank answers: no candidate is looked at. The bank is asked where the
 * network cannot know: for queries far from all that it learned from, for those with an exclusion, and for support sets.
 */
export class LearnedEstimator implements Estimator {
  readonly name = 'learned/1';
  readonly k: number;

  private constructor(
    private readonly options: LearnedOptions,
    private readonly network: Network,
  ) {
    this.k = options.bank.k;
  }

  /** @throws FoilbankError FB_MODEL_LOAD_FAILED */
  static async open(options: LearnedOptions): Promise<LearnedEstimator> {
    const network = await options.pool.load({ name: 'learned estimator', graph: options.graph });
    return new LearnedEstimator(options, network);
  }

  async estimate(embeddings: UnitMatrix, options: EstimateOptions = {}): Promise<DiscrepancyEstimate> {
    const { dimension, bank, distanceLimit } = this.options;
    embeddings.expect(dimension, 'query');
    const m = embeddings.rows;
    const { r, sigma, distance } = await this.#ask(embeddings, options);
    const { exclude = {} } = options;
    checkExclusions(exclude, m);
    const [outside, lookedUp] = [new Uint8Array(m), new Uint8Array(m)];
    const rows: number[] = [];
    for (let i = 0; i < m; i++) {
      // Written so that NaN is outside too.
      outside[i] = distance[i]! <= distanceLimit ? 0 : 1;
      lookedUp[i] = outside[i] || excludes(exclusionAt(exclude, i)) ? 1 : 0;
      if (lookedUp[i] || options.neighbours) rows.push(i);
    }
    const estimate = {
      ...{ estimator: this.name, k: this.k, r, sigma, n: new Int32Array(m).fill(this.k) },
      ...{ excluded: new Int32Array(m), aboveCeiling: new Int32Array(m), outside, lookedUp },
      typical: bank.typicals.get(this.k),
    };
    if (rows.length === 0) return options.neighbours ? { ...estimate, neighbours: [] } : estimate;
    const { neighbours = false, signal } = options;
    const found = await bank.estimate(rows.length === m ? embeddings : embeddings.gather(rows), {
      exclude: rows.map((row) => exclusionAt(exclude, row)),
      ...{ neighbours, ...(signal ? { signal } : {}) },
    });
    rows.forEach((row, i) => {
      if (!lookedUp[row]) return;
      r[row] = found.r[i]!;
      sigma[row] = found.sigma[i]!;
      for (const field of ['n', 'excluded', 'aboveCeiling'] as const) estimate[field][row] = found[field][i]!;
    });
    return found.neighbours ? { ...estimate, neighbours: found.neighbours } : estimate;
  }

  close(): Promise<void> {
    return this.network.release();
  }

  /** The network's own answers. */
  async #ask(embeddings: UnitMatrix, { signal, onProgress }: EstimateOptions) {
    const m = embeddings.rows;
    const answer = {
      r: new Float64Array(m),
      sigma: new Float64Array(m),
      distance: new Float64Array(m),
    };
    let [next, done] = [0, 0];
    // One batch more than there are threads: none of them waits, and a million embeddings are not copied at once.
    const lane = async () => {
      while (next < m) {
        throwIfCancelled(signal, 'estimating discrepancies');
        const begin = next;
        next += MOST;
        const part = embeddings.slice(begin, Math.min(m, begin + MOST));
        const outputs = await this.network.run({ embedding: padded(part) }, { transfer: true });
        for (const name of ['r', 'sigma', 'distance'] as const)
          answer[name].set(floatsOf(outputs, name).subarray(0, part.rows), begin);
        done += part.rows;
        onProgress?.(done, m);
      }
    };
    await Promise.all(Array.from({ length: this.options.pool.threads + 1 }, lane));
    return answer;
  }
}

/** The rows and, up to a size that the sessions see, zeros. */
function padded({ data, rows, dimension }: UnitMatrix): TensorData {
  const size = BATCH_SIZES.find((s) => s >= rows)!;
  const values = new Float32Array(size * dimension);
  values.set(data);
  return float32(values, [size, dimension]);
}

const excludes = ({ identities = [], rows = [] }: Exclusion): boolean => identities.length + rows.length > 0;
