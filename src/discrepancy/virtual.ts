import type { SupportSearch } from '../neighbours/index.js';
import type { UnitMatrix } from '../vectors/index.js';
import {
  type DiscrepancyEstimate,
  type EstimateOptions,
  type Estimator,
  estimateBySearch,
} from './estimator.js';

/** r and σ from virtual faces: the candidates of a bank. */
export class VirtualEstimator implements Estimator {
  readonly name = 'virtual/1';

  /** @param k K, at least 1 */
  constructor(
    readonly support: SupportSearch,
    readonly k: number,
  ) {}

  estimate(embeddings: UnitMatrix, options: EstimateOptions = {}): Promise<DiscrepancyEstimate> {
    return estimateBySearch(this, this.support, embeddings, options);
  }
}
