import { type DiscrepancyStats, SIGMA_FLOOR } from '../scoring/index.js';
import type { UnitMatrix } from '../vectors/index.js';

/**
 * How far one draw of candidates lies from another of the same recipe: figures, and how large they get by chance.
 * docs/refresh-gates.md says where the constants come from.
 */

/** Of a cloud of m unit vectors. */
export interface Cloud {
  readonly rows: number;
  /** [d] mean vector. */
  readonly centre: Float64Array;
  /** Root of the mean squared distance to the centre, in [0, 1]. */
  readonly radius: number;
}

/** Unit vectors lie at mean squared distance 1 − |centre|² from their centre. */
export function cloudOf(vectors: UnitMatrix): Cloud {
  const { data, dimension, rows } = vectors;
  const centre = new Float64Array(dimension);
  for (let row = 0; row < rows; row++)
    for (let j = 0; j < dimension; j++) centre[j]! += data[row * dimension + j]! / rows;
  const square = centre.reduce((sum, x) => sum + x * x, 0);
  return { rows, centre, radius: Math.sqrt(Math.max(0, 1 - square)) };
}

const LEAST = 1e-9;

/** Distance between the centres in units of the first cloud's radius, ≥ 0. By chance about `chance(...)`. */
export function shiftOfCentre(before: Cloud, after: Cloud): number {
  const square = before.centre.reduce((sum, x, j) => sum + (x - after.centre[j]!) ** 2, 0);
  return Math.sqrt(square) / Math.max(before.radius, LEAST);
}

/** Relative change of the radius, ≥ 0. */
export function changeOfRadius(before: Cloud, after: Cloud): number {
  return Math.abs(after.radius / Math.max(before.radius, LEAST) - 1);
}

/**
 * √(1/m + 1/n): two samples of m and n from one distribution have centres that far apart, in units of its radius, in root mean
 * square and in any dimension. The other figures fall with it too.
 */
export const chance = (m: number, n: number): number => Math.sqrt(1 / m + 1 / n);

export interface DiscrepancyShift {
  /** |mean change of r| in units of the spread (standard deviation) of r over the probes before. */
  readonly r: number;
  /** |relative change of the mean of σ|. */
  readonly sigma: number;
}

/**
 * The change of r and σ of the same probes. A probe without an eligible candidate is within the same-person ceiling of all of them;
 * it counts as r = 1, σ = 0, towards which its r and σ went.
 *
 * @param before, after the same p ≥ 1 probes
 */
export function shiftOfDiscrepancies(before: DiscrepancyStats, after: DiscrepancyStats): DiscrepancyShift {
  const [old, now] = [filled(before), filled(after)];
  const mean = meanOf(old.r);
  const spread = Math.sqrt(meanOf(old.r.map((r) => (r - mean) ** 2)));
  return {
    r: Math.abs(meanOf(now.r) - mean) / Math.max(spread, LEAST),
    sigma: Math.abs(meanOf(now.sigma) / Math.max(meanOf(old.sigma), SIGMA_FLOOR) - 1),
  };
}

const filled = ({ r, sigma, n }: DiscrepancyStats) => ({
  r: r.map((value, i) => (n[i] === 0 ? 1 : value)),
  sigma: sigma.map((value, i) => (n[i] === 0 ? 0 : value)),
});

const meanOf = (values: Float64Array): number => values.reduce((sum, x) => sum + x, 0) / values.length;

/**
 * Five standard deviations of the difference of two shares.
 *
 * @param share of both together, 0..1
 */
export const chanceOfShares = (share: number, m: number, n: number): number =>
  5 * Math.sqrt(share * (1 - share)) * chance(m, n);
