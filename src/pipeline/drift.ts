import { type DiscrepancyStats, SIGMA_FLOOR } from '../scoring/index.js';
import type { UnitMatrix } from '../vectors/index.js';

/** How far one draw of candidates lies from another of the same recipe. gate-limits.ts says how far by chance. */

/** Of a cloud of m unit vectors x with mean μ. */
export interface Cloud {
  readonly rows: number;
  /** [d] μ. */
  readonly centre: Float64Array;
  /** Root of the mean squared distance to the centre, in [0, 1]. */
  readonly radius: number;
  /** (Σλ)²/Σλ² of the covariance's eigenvalues λ: in how many dimensions the cloud really spreads. 1..d */
  readonly dimensions: number;
  /** Standard deviation of x·μ / radius²: by so much of itself the radius changes with each vector. */
  readonly sway: number;
}

export function cloudOf(vectors: UnitMatrix): Cloud {
  const { data, dimension, rows } = vectors;
  const centre = new Float64Array(dimension);
  for (let row = 0; row < rows; row++)
    for (let j = 0; j < dimension; j++) centre[j]! += data[row * dimension + j]! / rows;
  const square = centre.reduce((sum, x) => sum + x * x, 0);
  // Unit vectors lie at mean squared distance 1 − |μ|² from μ.
  const variance = Math.max(0, 1 - square);
  const along = Float64Array.from({ length: rows }, (_, row) =>
    vectors.row(row).reduce((sum, x, j) => sum + x * centre[j]!, 0),
  );
  // Σλ² is the mean of ((x − μ)·(y − μ))² over independent x and y: here over neighbours in the table.
  const products = along.map((a, row) => {
    const next = (row + 1) % rows;
    return (vectors.similarity(row, vectors, next) - a - along[next]! + square) ** 2;
  });
  const bounded = Math.min(dimension, variance ** 2 / Math.max(meanOf(products), LEAST));
  return {
    ...{ rows, centre, radius: Math.sqrt(variance), dimensions: Math.max(1, bounded) },
    sway: deviationOf(along) / Math.max(variance, LEAST),
  };
}

const LEAST = 1e-9;

/** Distance between the centres in units of the first cloud's radius, ≥ 0. */
export function shiftOfCentre(before: Cloud, after: Cloud): number {
  const square = before.centre.reduce((sum, x, j) => sum + (x - after.centre[j]!) ** 2, 0);
  return Math.sqrt(square) / Math.max(before.radius, LEAST);
}

/** Relative change of the radius, ≥ 0. */
export function changeOfRadius(before: Cloud, after: Cloud): number {
  return Math.abs(after.radius / Math.max(before.radius, LEAST) - 1);
}

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
  return {
    r: Math.abs(meanOf(now.r) - meanOf(old.r)) / Math.max(deviationOf(old.r), LEAST),
    sigma: Math.abs(meanOf(now.sigma) / Math.max(meanOf(old.sigma), SIGMA_FLOOR) - 1),
  };
}

const filled = ({ r, sigma, n }: DiscrepancyStats) => ({
  r: r.map((value, i) => (n[i] === 0 ? 1 : value)),
  sigma: sigma.map((value, i) => (n[i] === 0 ? 0 : value)),
});

const meanOf = (values: Float64Array): number => values.reduce((sum, x) => sum + x, 0) / values.length;

function deviationOf(values: Float64Array): number {
  const mean = meanOf(values);
  return Math.sqrt(meanOf(values.map((x) => (x - mean) ** 2)));
}
