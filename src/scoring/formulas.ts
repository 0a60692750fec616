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

/** `fuse`: how far a face's own σ replaces the typical one. At 1 σ of the few nearest candidates is believed too much (docs/accuracy.md). */
const OWN_SIGMA = 0.8;
/** `fuse`: the raw similarity's share of a score below the typical r. */
const RAW_SHARE = 0.6;

/** One operator, ready to be applied. */
export interface Formula {
  /** What σ is made into, once a face. */
  scale(sigma: number): number;
  /** s* of a similarity, r of both faces, and what their σ were made into. */
  align(s: number, rA: number, scaleA: number, rB: number, scaleB: number): number;
}

const NOTHING: Typical = { r: Number.NaN, sigma: Number.NaN };
const unscaled = (sigma: number): number => sigma;

/**
 * - `none`: s* = s
 * - `shift`: s* = s − λ·(r(a) + r(b))/2; at λ = 1 half of CSLS (Conneau et al. 2018: 2s − r(a) − r(b)), so the same order
 * - `standardise`: s* = ½[(s − r(a))/σ(a) + (s − r(b))/σ(b)], the adaptive symmetric normalisation of speaker verification
 *   (Matějka et al. 2017)
 * - `fuse`: score-level fusion of raw and standardised where the score is low. With typical r̄ and σ̄ and S(v) = σ̄·(σ(v)/σ̄)^0.8,
 *   u = (s − r̄)/σ̄ and z = ½[(s − r(a))/S(a) + (s − r(b))/S(b)]: s* = z + 0.6·(min(u, 0) − min(z, 0)). Above the level of look-alikes,
 *   where strangers are to be kept out, that is z; below it, where most of what is asked is decided at a glance, mostly u
 *
 * No more than numbers: the studio computes by it too.
 *
 * @param typical only `fuse` needs it: without, its scores are NaN
 */
export function formulaOf({ operator, lambda }: OperatorSettings, typical: Typical = NOTHING): Formula {
  switch (operator) {
    case 'none':
      return { scale: unscaled, align: (s) => s };
    case 'shift':
      return { scale: unscaled, align: (s, rA, _, rB) => s - (lambda * (rA + rB)) / 2 };
    case 'standardise':
      return { scale: floored, align: standardised };
    case 'fuse': {
      const { r } = typical;
      const sigma = floored(typical.sigma);
      return {
        scale: (own) => sigma * (floored(own) / sigma) ** OWN_SIGMA,
        align: (s, rA, scaleA, rB, scaleB) => {
          const z = standardised(s, rA, scaleA, rB, scaleB);
          return z + RAW_SHARE * (Math.min((s - r) / sigma, 0) - Math.min(z, 0));
        },
      };
    }
  }
}

const standardised: Formula['align'] = (s, rA, scaleA, rB, scaleB) =>
  ((s - rA) / scaleA + (s - rB) / scaleB) / 2;
