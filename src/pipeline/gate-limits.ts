import type { Manifest } from '../bank/index.js';
import type { Cloud } from './drift.js';

/**
 * The limits of a refresh's gates: what chance does to two draws of m and n candidates from one distribution, to five standard
 * deviations, and on top of it what is let through whatever the sizes. docs/refresh-gates.md has the derivation and the figures.
 */
const LET_THROUGH = Object.freeze({ centre: 0.01, radius: 0.005, r: 0.01, sigma: 0.01 });
const DEVIATIONS = 5;
/** Deviations of the mean of r and of σ over the probes in units of `chance`, measured with the default networks. */
const OF_R = 0.72;
const OF_SIGMA = 0.44;
/** Share of the yield in service that must be left. */
const LEAST_YIELD = 0.9;
const DUPLICATES = { factor: 1.5, more: 0.02 };
const ACCURACY = 0.002;

export interface DriftLimits {
  readonly centre: number;
  readonly radius: number;
  readonly r: number;
  readonly sigma: number;
}

/** @param n candidates of the new draw */
export function driftLimits({ rows, dimensions, sway }: Cloud, n: number): DriftLimits {
  const byChance = chance(rows, n);
  return {
    centre: LET_THROUGH.centre + byChance * Math.sqrt(chiSquareByDegrees(dimensions)),
    radius: LET_THROUGH.radius + byChance * DEVIATIONS * sway,
    r: LET_THROUGH.r + byChance * DEVIATIONS * OF_R,
    sigma: LET_THROUGH.sigma + byChance * DEVIATIONS * OF_SIGMA,
  };
}

/** Standard deviation of the difference of two means over m and n, in units of that of one value. */
const chance = (m: number, n: number): number => Math.sqrt(1 / m + 1 / n);

/**
 * Where χ² of so many degrees of freedom ends by chance, as a multiple of its mean (Wilson & Hilferty 1931). The squared distance of
 * two centres is a sum of χ² weighted by the covariance's eigenvalues, and much like one of `Cloud.dimensions` (Welch–Satterthwaite).
 */
function chiSquareByDegrees(degrees: number): number {
  const variance = 2 / (9 * degrees);
  return (1 - variance + DEVIATIONS * Math.sqrt(variance)) ** 3;
}

export interface Shares {
  readonly generated: number;
  readonly detected: number;
  /** Detected of generated. */
  readonly yield: number;
  /** Near-duplicates of detected. */
  readonly duplicates: number;
}

export function sharesOf({
  generated,
  rejected,
}: Pick<Manifest['counts'], 'generated' | 'rejected'>): Shares {
  const { undetected = 0, nearDuplicate = 0 } = rejected;
  const detected = generated - undetected;
  return {
    generated,
    detected,
    yield: detected / generated,
    duplicates: nearDuplicate / Math.max(1, detected),
  };
}

export function leastYield(before: Shares, after: Shares): number {
  const share = (before.detected + after.detected) / (before.generated + after.generated);
  return LEAST_YIELD * before.yield - chanceOfShare(share, before.generated, after.generated);
}

export function mostDuplicates(before: Shares, after: Shares): number {
  const { factor, more } = DUPLICATES;
  // Among more faces each has more chances to meet its like.
  const usual = Math.min(1, before.duplicates * Math.max(1, after.detected / Math.max(1, before.detected)));
  return factor * usual + more + chanceOfShare(usual, before.detected, after.detected);
}

const chanceOfShare = (share: number, m: number, n: number): number =>
  DEVIATIONS * Math.sqrt(share * (1 - share)) * chance(Math.max(1, m), Math.max(1, n));

/** @param noise as `compareAccuracy` gives it */
export const leastAccuracy = (before: number, noise: number): number => before - noise - ACCURACY;
