import { covarianceOf, type Moments, momentsOf, type UnitMatrix } from '../vectors/index.js';
import type { Calibration } from './calibration.js';
import { logDensityOf, type Mixture } from './mixture.js';

/** Added to the diagonals of compared covariances, as a share of the mean variance. */
const RIDGE = 1e-3;

/** What somebody who has a calibration may use of it. */
export type Kept = 'mean' | 'mean and covariance' | 'all';

/**
 * The chance that an attacker tells a photo of the sample from a photo of a stranger, by what a calibration keeps: ½ is guessing, 1 is
 * always. He holds the embeddings of both and photos of other strangers, and takes the one whose density under the calibration is the greater
 * multiple of that among strangers (likelihood ratio: no test of one photo is stronger where both densities are right).
 *
 * @param strangers of whom the calibration knows nothing; the first half of them is what the attacker knows of people in general
 * @param kept `mean`: with the strangers' covariance; `all`: the mixture, where there is one
 */
export function membershipAttack(
  { moments, mixture }: Pick<Calibration, 'moments' | 'mixture'>,
  members: UnitMatrix,
  strangers: UnitMatrix,
  kept: Kept,
): number {
  const half = strangers.rows >> 1;
  const general = momentsOf(strangers.slice(0, half));
  const unknown = strangers.slice(half, strangers.rows);
  const reference = gaussian(general.mean, general);
  const calibrated =
    kept === 'all' && mixture.length > 0
      ? mixture
      : gaussian(moments.mean, kept === 'mean' ? general : moments);
  const ratios = (some: UnitMatrix) => {
    const under = logDensityOf(reference, some);
    return logDensityOf(calibrated, some).map((log, i) => log - under[i]!);
  };
  return areaBetween(ratios(members), ratios(unknown));
}

function gaussian(mean: Float64Array, spread: Moments): Mixture {
  const covariance = covarianceOf(spread);
  const d = mean.length;
  let variance = 0;
  for (let i = 0; i < d; i++) variance += covariance[i * d + i]! / d;
  for (let i = 0; i < d; i++) covariance[i * d + i]! += RIDGE * variance;
  return [{ weight: 1, mean, covariance }];
}

/** The chance that one of `high` is greater than one of `low` (Mann and Whitney 1947), ties counting half. */
function areaBetween(high: Float64Array, low: Float64Array): number {
  const sorted = low.slice().sort();
  /** Values of `low` below, by halves where equal. */
  const below = (value: number, orEqual: boolean) => {
    let [from, to] = [0, sorted.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (sorted[middle]! < value || (orEqual && sorted[middle] === value)) from = middle + 1;
      else to = middle;
    }
    return from;
  };
  const wins = high.reduce((sum, value) => sum + (below(value, false) + below(value, true)) / 2, 0);
  return wins / (high.length * low.length);
}
