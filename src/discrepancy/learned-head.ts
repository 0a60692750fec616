import { covarianceOf, momentsOf, powerOf, traceOf, type UnitMatrix } from '../vectors/index.js';
import { estimatorGraph, type Place } from './learned-network.js';
import { type LearnOptions, type Lessons, learnDiscrepancy } from './learned-training.js';

/** A learned estimator as a bank stores it: the graph, and what its model card says of it. */
export interface LearnedHead {
  readonly graph: Uint8Array;
  readonly card: {
    /** Widths of the hidden layers. */
    readonly hidden: readonly number[];
    readonly lessons: number;
    /** Until what was kept, and most there might have been. */
    readonly steps: number;
    readonly mostSteps: number;
    /** Root mean square errors on held-out lessons, in deviations of r and of log σ over them. */
    readonly errorOfR: number;
    readonly errorOfLogSigma: number;
    /** Queries farther off are none that it learned from. */
    readonly distanceLimit: number;
  };
}

/**
 * Directions in which lessons hardly vary count as if they varied by this share of the mean variance: similarities do not feel
 * them.
 */
const BLUR = 0.02;
/**
 * The limit lies as far above the lessons' 99.9 % quantile as that lies above their median, times this: photos of real people lie
 * farther out than virtual faces and draws. Measured in docs/accuracy.md.
 */
const REACH = 1;
const QUANTILE = 0.999;
/** Lessons, which come mixed up, that the familiar place is measured on. */
const MEASURED = 16_384;

/** Learns r and σ from lessons. @throws FoilbankError FB_CANCELLED, and what the pool throws */
export async function learnEstimator(lessons: Lessons, options: LearnOptions): Promise<LearnedHead> {
  const { layers, scaling, errors, steps } = await learnDiscrepancy(lessons, options);
  const place = placeOf(lessons.queries.slice(0, Math.min(lessons.queries.rows, MEASURED)));
  return {
    graph: estimatorGraph(layers, scaling, lessons.mixture, place),
    card: {
      hidden: layers.slice(0, -1).map(({ bias }) => bias.length),
      lessons: lessons.queries.rows,
      steps,
      mostSteps: options.steps,
      errorOfR: errors.r,
      errorOfLogSigma: errors.logSigma,
      distanceLimit: limitOf(place, lessons.queries),
    },
  };
}

function placeOf(queries: UnitMatrix): Place {
  const moments = momentsOf(queries);
  const covariance = covarianceOf(moments);
  const d = queries.dimension;
  // A bank of one face over and over has no spread at all.
  const blur = Math.max((BLUR * traceOf(covariance)) / d, 1e-12);
  const blurred = covariance.map((x, i) => x + (i % (d + 1) === 0 ? blur : 0));
  return { mean: moments.mean, whitening: powerOf(blurred, -0.5, blur) };
}

/** Queries whose distances the limit is taken from. */
const LOOKED_AT = 4096;

function limitOf({ mean, whitening }: Place, { data, rows, dimension: d }: UnitMatrix): number {
  const count = Math.min(rows, LOOKED_AT);
  const distances = Float64Array.from({ length: count }, (_, i) => {
    const row = Math.floor((i * rows) / count);
    const white = new Float64Array(d);
    for (let a = 0; a < d; a++) {
      const x = data[row * d + a]! - mean[a]!;
      for (let b = 0; b < d; b++) white[b]! += x * whitening[a * d + b]!;
    }
    return Math.hypot(...white) / Math.sqrt(d);
  }).sort();
  const quantile = (p: number) => distances[Math.floor(p * (count - 1))]!;
  return quantile(QUANTILE) + REACH * (quantile(QUANTILE) - quantile(0.5));
}
