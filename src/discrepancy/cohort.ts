import { FoilbankError } from '../errors.js';
import { ExactEngine, SupportSearch } from '../neighbours/index.js';
import type { InferencePool } from '../onnx/index.js';
import type { UnitMatrix } from '../vectors/index.js';
import {
  type DiscrepancyEstimate,
  type EstimateOptions,
  type Estimator,
  estimateBySearch,
  type Typicals,
} from './estimator.js';
import { askCohort } from './typicals.js';

export interface CohortOptions {
  readonly pool: InferencePool;
  /** Real faces, shape [n, d]. */
  readonly embeddings: UnitMatrix;
  /** Who each row shows: rows of an excluded identity are no look-alikes of it. */
  readonly identities: readonly string[];
  /** From the embedder's card; default 1: labels alone tell who is whom. */
  readonly samePersonCeiling?: number;
  /** K, at least 1. */
  readonly k: number;
  /** The K of {@link CohortEstimator.withK} for which what is typical is measured beforehand, as `fuse` needs it. Default none. */
  readonly sizes?: readonly number[];
}

/**
 * r and σ from labelled photos of real people: the reference that virtual faces are compared with. It needs a gallery of strangers at
 * inference, which is what a bank exists to avoid.
 *
 * Give each embedding its own identity as exclusion where the cohort may know the person, or the person's own photos come out
 * as look-alikes.
 */
export class CohortEstimator implements Estimator {
  readonly name = 'cohort/1';

  private constructor(
    private readonly support: SupportSearch,
    private readonly engine: ExactEngine,
    readonly k: number,
    readonly typicals: Typicals,
  ) {}

  /** @throws FoilbankError FB_CANDIDATES_EMPTY, FB_OPTION_INVALID */
  static async create(options: CohortOptions): Promise<CohortEstimator> {
    const { pool, embeddings, identities, samePersonCeiling = 1, k, sizes = [] } = options;
    if (identities.length !== embeddings.rows)
      throw new FoilbankError('FB_OPTION_INVALID', {
        ...{
          option: 'identities',
          value: `a list of ${identities.length}`,
          expected: `a list of ${embeddings.rows}`,
        },
      });
    const engine = await ExactEngine.create({ candidates: embeddings, pool });
    const support = new SupportSearch({ engine, exact: engine, identities, samePersonCeiling });
    const typicals = await askCohort(support, embeddings, identities, sizes);
    return new CohortEstimator(support, engine, k, typicals);
  }

  /** The same cohort asked for another K; the one that was created closes both. */
  withK(k: number): CohortEstimator {
    return new CohortEstimator(this.support, this.engine, k, this.typicals);
  }

  estimate(embeddings: UnitMatrix, options: EstimateOptions = {}): Promise<DiscrepancyEstimate> {
    return estimateBySearch(this, this.support, embeddings, options);
  }

  close(): Promise<void> {
    return this.engine.close();
  }
}
