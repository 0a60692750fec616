import type { DiscrepancyEstimate, Estimator } from '../discrepancy/index.js';
import {
  type AlignedScore,
  alignScore,
  type Discrepancy,
  discrepancyAt,
  type OperatorSettings,
  type Typical,
} from '../scoring/index.js';
import { UnitMatrix } from '../vectors/index.js';

/** An aligned similarity and everything that made it. */
export interface Comparison extends AlignedScore {
  readonly estimator: string;
  readonly k: number;
  /** Only of `learned`: whether each face lies outside of all that it learned from, so that the bank was looked up. */
  readonly outside?: readonly [boolean, boolean];
  /** Only of `fuse`: what it goes by besides. */
  readonly typical?: Typical;
  /** Of both faces, in the order given. */
  readonly discrepancies: readonly [Discrepancy, Discrepancy];
}

/**
 * Compares pairs of embeddings.
 *
 * @param embeddings [m, d]
 * @param pairs rows of `embeddings`
 * @throws FoilbankError FB_EMBEDDING_LENGTH, FB_SUPPORT_EMPTY, FB_TYPICAL_UNKNOWN
 */
export async function comparePairs(
  estimator: Estimator,
  embeddings: UnitMatrix,
  pairs: readonly (readonly [number, number])[],
  settings: OperatorSettings,
): Promise<Comparison[]> {
  const estimate: DiscrepancyEstimate = await estimator.estimate(embeddings);
  return pairs.map(([a, b]) => {
    const discrepancies = [discrepancyAt(estimate, a), discrepancyAt(estimate, b)] as const;
    const raw = embeddings.similarity(a, embeddings, b);
    const score = alignScore(settings, raw, ...discrepancies, estimate.typical);
    const { outside, typical } = estimate;
    return {
      ...{ ...score, estimator: estimate.estimator, k: estimate.k, discrepancies },
      ...(settings.operator === 'fuse' && typical ? { typical } : {}),
      ...(outside ? { outside: [outside[a] === 1, outside[b] === 1] as const } : {}),
    };
  });
}

/** Rows as one matrix. */
export const matrixOf = (rows: readonly Float32Array[], dimension: number): UnitMatrix =>
  UnitMatrix.concat(
    rows.map((row) => UnitMatrix.adopt(row, dimension)),
    dimension,
  );
