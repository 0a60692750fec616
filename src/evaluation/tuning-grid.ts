import type { DiscrepancyEstimate } from '../discrepancy/index.js';
import { resolveOperatorSettings } from '../scoring/index.js';
import { alignmentsOf, type NamedAlignment } from './collection.js';

/** The largest share of the candidates that a support set may be, and the sizes tried: each twice the one before. */
const MOST_SHARE = 0.1;
const [LEAST_K, MOST_K] = [16, 1024];
/** Strengths of `shift` tried. On faces that nothing calibrated a gentle one gains where the full one loses. */
const LAMBDAS = [0.25, 0.5, 0.75, 1] as const;

/**
 * The sizes of support sets to try on a bank.
 *
 * @param own K that the bank recommends: tried too
 */
export function sizesToTry(candidates: number, own: number): number[] {
  const most = Math.min(MOST_K, Math.max(LEAST_K, MOST_SHARE * candidates));
  const sizes = new Set([own]);
  for (let k = LEAST_K; k <= most; k *= 2) sizes.add(k);
  return [...sizes].filter((k) => k <= candidates).sort((a, b) => a - b);
}

/** The raw similarity, then each operator, K and λ, the gentler first. */
export function alignmentsToTry(photos: number, estimates: readonly DiscrepancyEstimate[]): NamedAlignment[] {
  return [
    ...alignmentsOf(photos, []),
    ...estimates.flatMap((stats) => [
      ...LAMBDAS.map((lambda) => ({
        ...{ settings: resolveOperatorSettings({ operator: 'shift', lambda }), stats },
        ...{ estimator: stats.estimator, k: stats.k },
      })),
      ...alignmentsOf(photos, [stats], ['standardise', 'fuse']).slice(1),
    ]),
  ];
}
