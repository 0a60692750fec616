import type { ScoredPairs } from './all-pairs.js';
import type { Identities } from './identities.js';
import { descending, type PairScores } from './pair-scores.js';
import { type IdentityResamples, type Interval, intervalOf } from './resampling.js';

/** The true accept rate at a false accept rate. */
export interface OperatingPoint {
  /** The false accept rate that was asked for. */
  readonly far: number;
  /** Accepted is what scores above it: the score of the first impostor pair that must stay out. */
  readonly threshold: number;
  /** Share of the genuine pairs above the threshold. NaN where the collection is too small for this FAR. */
  readonly tar: number;
  /** Impostor pairs that this FAR lets through: below ten or so, the figure rests on chance. 0: too small a collection. */
  readonly accepted: number;
  /** 95 %, by resampling identities. */
  readonly interval: Interval | undefined;
  /** The true accept rate of every resample, to compare draw by draw with another scoring of the same identities. */
  readonly draws: Float64Array;
}

/** The smallest false accept rate that so many impostor pairs can show: one of them. */
export const smallestFar = (impostors: number): number => 1 / impostors;

/**
 * True accept rates at false accept rates.
 *
 * The threshold for a FAR f over n impostor pairs is the score of the (⌊f·n⌋ + 1)-th highest, and what scores above it is accepted, so
 * that never more than a share f of the impostors is.
 *
 * @param fars in any order; results come in that order
 */
export function operatingPoints(
  scored: ScoredPairs,
  identities: Identities,
  fars: readonly number[],
  resamples: IdentityResamples,
): OperatingPoint[] {
  const genuine = descending(scored.genuine);
  const ascending = [...new Set(fars)].sort((a, b) => a - b);
  const all = new Uint8Array(identities.names.length).fill(1);
  const truth = tarAt(scored.highest, genuine, identities, all, ascending, scored.impostors);
  const draws = ascending.map(() => new Float64Array(resamples.count));
  for (let draw = 0; draw < resamples.count; draw++) {
    const weights = resamples.weights(draw);
    const impostors = impostorWeight(scored, identities, weights);
    const { tars } = tarAt(scored.highest, genuine, identities, weights, ascending, impostors);
    draws.forEach((values, i) => {
      values[draw] = tars[i]!;
    });
  }
  return fars.map((far) => {
    const i = ascending.indexOf(far);
    const accepted = Math.floor(far * scored.impostors * (1 + 1e-12));
    const reachable = accepted >= 1;
    return {
      far,
      threshold: truth.thresholds[i]!,
      tar: reachable ? truth.tars[i]! : Number.NaN,
      accepted,
      interval: reachable ? intervalOf(draws[i]!) : undefined,
      draws: draws[i]!,
    };
  });
}

/** Weight of all impostor pairs: the product of both identities' weights, summed over the pairs. */
function impostorWeight(
  { highest, impostors }: ScoredPairs,
  { of, photos }: Identities,
  weights: Uint8Array,
) {
  let [sum, squares] = [0, 0];
  // All of them were kept: they may be some pairs only, not every pair of two photos.
  if (highest.scores.length === impostors) {
    for (let i = 0; i < impostors; i++)
      sum += weights[of[highest.left[i]!]!]! * weights[of[highest.right[i]!]!]!;
    return sum;
  }
  for (let i = 0; i < photos.length; i++) {
    const weight = photos[i]! * weights[i]!;
    sum += weight;
    squares += weight * weight;
  }
  return (sum * sum - squares) / 2;
}

/** @param ascending false accept rates @param impostors weight of all impostor pairs, in `highest` or not */
function tarAt(
  highest: PairScores,
  genuine: PairScores,
  { of }: Identities,
  weights: Uint8Array,
  ascending: readonly number[],
  impostors: number,
): { readonly thresholds: Float64Array; readonly tars: Float64Array } {
  const thresholds = new Float64Array(ascending.length);
  const { scores, left, right } = highest;
  let [i, sum] = [0, 0];
  ascending.forEach((far, at) => {
    const most = far * impostors * (1 + 1e-12);
    while (i < scores.length) {
      const weight = weights[of[left[i]!]!]! * weights[of[right[i]!]!]!;
      if (sum + weight > most) break;
      sum += weight;
      i++;
    }
    // A resample with more high impostors than are kept: the lowest kept errs on the strict side.
    thresholds[at] = scores[Math.min(i, scores.length - 1)]!;
  });
  const tars = new Float64Array(ascending.length);
  let [accepted, whole, at] = [0, 0, 0];
  for (let j = 0; j < genuine.scores.length; j++) {
    const score = genuine.scores[j]!;
    // The stricter the threshold, the earlier it is passed.
    while (at < ascending.length && score <= thresholds[at]!) tars[at++] = accepted;
    const weight = weights[of[genuine.left[j]!]!]!;
    accepted += weight;
    whole += weight;
  }
  while (at < ascending.length) tars[at++] = accepted;
  return { thresholds, tars: tars.map((n) => (whole > 0 ? n / whole : Number.NaN)) };
}
