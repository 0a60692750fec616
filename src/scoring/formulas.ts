import { floored, type Typical } from './discrepancy-stats.js';

/**
 * The discrepancy alignment operators (DAO of arXiv 2103.01559): each corrects a similarity by what the neighbourhood of both faces looks
 * like. The paper's abstract names the operator in words; each formula below is ours or of the kin that it names.
 */
export const OPERATORS = ['none', 'shift', 'standardise', 'fuse'] as const;
export type OperatorName = (typeof OPERATORS)[number];

export interface OperatorSettings {
  readonly operator: OperatorName;
  /** Strength of `shift`, 0..4; 0 leaves the similarity as it is, 1 orders pairs as CSLS does. Other operators ignore it. */
  readonly lambda: number;
}

/** A formula's version changes whenever the same inputs would give another result. */
const VERSIONS: Readonly<Record<OperatorName, number>> = { none: 1, shift: 1, standardise: 1, fuse: 1 };

/** Name and version, as replies and manifests carry it. */
export const operatorId = (operator: OperatorName): string => `${operator}/${VERSIONS[operator]}`;

/** `fuse`: the raw similarity's share of a low score (docs/accuracy.md). */
const RAW_SHARE = 0.6;

/** s* of a similarity, by r and σ of both faces. */
export type Formula = (s: number, rA: number, sigmaA: number, rB: number, sigmaB: number) => number;

const NOTHING: Typical = { r: Number.NaN, sigma: Number.NaN };

/**
 * - `none`: s* = s
 * - `shift`: s* = s − λ·(r(a) + r(b))/2; at λ = 1 half of CSLS (Conneau et al. 2018: 2s − r(a) − r(b)), so the same order
 * - `standardise`: s* = ½[(s − r(a))/σ(a) + (s − r(b))/σ(b)], the adaptive symmetric normalisation of speaker verification
 *   (Matějka et al. 2017)
 * - `fuse`: score-level fusion of raw and standardised where scores are low. With z = the score of `standardise`, typical r̄ and σ̄, and
 *   u = (s − r̄)/σ̄: s* = z + 0.6·(min(u, 0) − min(z, 0)). Where both lie above the level of look-alikes, and strangers are to be kept
 *   out, that is z; where both lie below, 0.4·z + 0.6·u
 *
 * No more than numbers: the studio computes by it too.
 *
 * @param typical only `fuse` needs it: without, its scores are NaN
 */
export function formulaOf({ operator, lambda }: OperatorSettings, typical: Typical = NOTHING): Formula {
  switch (operator) {
    case 'none':
      return (s) => s;
    case 'shift':
      return (s, rA, _, rB) => s - (lambda * (rA + rB)) / 2;
    case 'standardise':
      return standardised;
    case 'fuse':
      return (s, rA, sigmaA, rB, sigmaB) => {
        const z = standardised(s, rA, sigmaA, rB, sigmaB);
        const u = (s - typical.r) / floored(typical.sigma);
        return z + RAW_SHARE * (Math.min(u, 0) - Math.min(z, 0));
      };
  }
}

const standardised: Formula = (s, rA, sigmaA, rB, sigmaB) =>
  ((s - rA) / floored(sigmaA) + (s - rB) / floored(sigmaB)) / 2;
