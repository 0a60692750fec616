import { setImmediate } from 'node:timers/promises';
import {
  type Calibration,
  type DiscrepancyEstimate,
  drawsOf,
  type Lessons,
  VirtualEstimator,
} from '../discrepancy/index.js';
import { throwIfCancelled } from '../errors.js';
import { ExactEngine, SupportSearch } from '../neighbours/index.js';
import type { InferencePool } from '../onnx/index.js';
import { latents } from '../synthesis/index.js';
import { covarianceOf, momentsOf, traceOf, UnitMatrix } from '../vectors/index.js';

/** What is learned. */
export interface LessonSource {
  readonly candidates: UnitMatrix;
  readonly samePersonCeiling: number;
  /** K */
  readonly neighbours: number;
  readonly calibration: Calibration | undefined;
}

export interface LessonOptions {
  readonly count: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Numbers of draws from here on are in no bank. */
const FIRST_DRAW = 2 ** 31;
const CHUNK = 2048;
const GOLDEN = 0.6180339887498949;

/**
 * What a bank answers to queries of three kinds, a third of each and mixed up: its own candidates, each left out of its own support
 * set; blends of two candidates; and draws of its calibration's mixture, or without one of a Gaussian with the candidates'
 * mean and covariance: of that covariance as far as the calibration's sample can tell it.
 */
export async function lessonsOf(
  pool: InferencePool,
  { candidates, samePersonCeiling, neighbours, calibration }: LessonSource,
  { count, signal, onProgress }: LessonOptions,
): Promise<Lessons> {
  const { rows, dimension } = candidates;
  const third = Math.floor(count / 3);
  const own = Array.from({ length: Math.min(rows, third) }, (_, i) =>
    Math.floor((i * rows) / Math.min(rows, third)),
  );
  const source =
    calibration && calibration.mixture.length > 0 ? calibration : gaussianOf(candidates, calibration);
  const asked = [
    candidates.gather(own),
    blendsOf(candidates, third),
    await drawsOfPeople(source, count - own.length - third, signal),
  ];
  const exact = await ExactEngine.create({ candidates, pool });
  try {
    const search = new SupportSearch({ engine: exact, exact, samePersonCeiling });
    const estimator = new VirtualEstimator(search, neighbours);
    const answers: DiscrepancyEstimate[] = [];
    let before = 0;
    for (const [i, queries] of asked.entries()) {
      const sofar = before;
      answers.push(
        await estimator.estimate(queries, {
          exclude: i === 0 ? own.map((row) => ({ rows: [row] })) : {},
          ...(signal ? { signal } : {}),
          onProgress: (done) => onProgress?.(sofar + done, count),
        }),
      );
      before += queries.rows;
    }
    return { ...mixedUp(UnitMatrix.concat(asked, dimension), answers), mixture: source.mixture };
  } finally {
    await exact.close();
  }
}

/** The steps of three sequences that fill the unit cube evenly: no whole numbers make a sum of their multiples whole. */
const STEPS = [Math.SQRT2, Math.sqrt(3), Math.sqrt(5)] as const;

/**
 * Between two candidates each: mean + (a − mean)·cos φ + (b − mean)·sin φ, which has their covariance and is none of them. Far more
 * of these can be had than there are candidates, and they have more of the faces' own shape than draws.
 */
function blendsOf({ data, rows, dimension: d }: UnitMatrix, count: number): UnitMatrix {
  const mean = new Float64Array(d);
  data.forEach((x, i) => {
    mean[i % d]! += x / rows;
  });
  const blends = new Float32Array(count * d);
  for (let i = 0; i < count; i++) {
    const [first, second, turn] = STEPS.map((step) => ((i + 1) * step) % 1) as [number, number, number];
    const [a, b] = [Math.floor(first * rows), Math.floor(second * rows)];
    // Not so near to either that it is all but found again.
    const angle = (0.15 + 0.7 * turn) * (Math.PI / 2);
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    for (let j = 0; j < d; j++)
      blends[i * d + j] =
        mean[j]! + (data[a * d + j]! - mean[j]!) * cos + (data[b * d + j]! - mean[j]!) * sin;
  }
  return UnitMatrix.normalise(blends, d, 'blend');
}

/** Vectors like the candidates, of people whom the bank does not have. */
async function drawsOfPeople(
  source: Pick<Calibration, 'mixture' | 'moments'>,
  count: number,
  signal: AbortSignal | undefined,
): Promise<UnitMatrix> {
  const dimension = source.moments.mean.length;
  const parts: UnitMatrix[] = [];
  for (let begin = 0; begin < count; begin += CHUNK) {
    throwIfCancelled(signal, 'drawing queries');
    const numbers = Array.from({ length: Math.min(CHUNK, count - begin) }, (_, i) => FIRST_DRAW + begin + i);
    parts.push(drawsOf(source, numbers, latents(numbers, dimension)));
    await setImmediate();
  }
  return UnitMatrix.concat(parts, dimension);
}

/** Added to the covariance's diagonal, as a share of its mean: fewer candidates than dimensions have none of full rank. */
const RIDGE = 1e-4;
/** Candidates that the Gaussian is fitted to. */
const MEASURED = 16_384;

function gaussianOf(
  vectors: UnitMatrix,
  calibration: Calibration | undefined,
): Pick<Calibration, 'mixture' | 'moments'> {
  const moments = momentsOf(vectors.slice(0, Math.min(vectors.rows, MEASURED)));
  const d = vectors.dimension;
  const measured = covarianceOf(moments);
  const share = calibration ? roundShare(measured, calibration) : 0;
  const variance = traceOf(measured) / d;
  const covariance = measured.map(
    (x, i) => (1 - share) * x + (i % (d + 1) === 0 ? (share + RIDGE) * variance + 1e-12 : 0),
  );
  return { moments, mixture: [{ weight: 1, mean: moments.mean, covariance }] };
}

/**
 * How much of a covariance that faces were moved to is the chance of its sample: people whom the sample did not have lie as if that share
 * of it were the same in all directions (Ledoit, Wolf 2004, for normal distributions).
 */
function roundShare(covariance: Float64Array, { moments, shrinkage }: Calibration): number {
  const d = moments.mean.length;
  const trace = traceOf(covariance);
  const squares = covariance.reduce((sum, x) => sum + x * x, 0);
  const spread = squares - trace ** 2 / d;
  const chance = (squares + trace ** 2) / (moments.n + shrinkage);
  // Written so that a covariance of nothing at all gives 0.
  return spread > 0 ? Math.min(1, chance / spread) : 0;
}

/** All of it in an order that has nothing to do with where it came from. */
function mixedUp(
  queries: UnitMatrix,
  answers: readonly DiscrepancyEstimate[],
): Pick<Lessons, 'queries' | 'r' | 'sigma'> {
  const m = queries.rows;
  const order = [...Array(m).keys()].sort((a, b) => ((a * GOLDEN) % 1) - ((b * GOLDEN) % 1));
  const column = (field: 'r' | 'sigma') => {
    const all = answers.flatMap((answer) => [...answer[field]]);
    return Float64Array.from(order, (row) => all[row]!);
  };
  return { queries: queries.gather(order), r: column('r'), sigma: column('sigma') };
}
