import type { SupportSearch } from '../neighbours/index.js';
import type { UnitMatrix } from '../vectors/index.js';
import {
  type DiscrepancyEstimate,
  type EstimateOptions,
  type Estimator,
  estimateBySearch,
  estimateSizes,
  type Typicals,
} from './estimator.js';

/** Name and version of {@link VirtualEstimator}. */
export const VIRTUAL = 'virtual/1';

/** r and σ from virtual faces: the candidates of a bank. */
export class VirtualEstimator implements Estimator {
  readonly name = VIRTUAL;

  /** @param k K, at least 1 */
  constructor(
    readonly support: SupportSearch,
    readonly k: number,
    readonly typicals: Typicals = new Map(),
  ) {}

  /** The same bank asked for another K. */
  withK(k: number): VirtualEstimator {
    return new VirtualEstimator(this.support, k, this.typicals);
  }

  estimate(embeddings: UnitMatrix, options: EstimateOptions = {}): Promise<DiscrepancyEstimate> {
    return estimateBySearch(this, this.support, embeddings, options);
  }

  /** {@link estimate} for several K at once, for little more than the largest alone costs. */
  estimateSizes(
    embeddings: UnitMatrix,
    ks: readonly number[],
    options: Omit<EstimateOptions, 'neighbours'> = {},
  ): Promise<DiscrepancyEstimate[]> {
    return estimateSizes(this, ks, this.support, embeddings, options);
  }
}
