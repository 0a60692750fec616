import { setImmediate } from 'node:timers/promises';
import {
  type Calibration,
  type DiscrepancyEstimate,
  drawsOf,
  type EstimateOptions,
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
  /** Candidates and draws together, half of each where there are enough candidates. */
  readonly count: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Numbers of draws from here on are in no bank. */
const FIRST_DRAW = 2 ** 31;
const CHUNK = 2048;
const GOLDEN = 0.6180339887498949;

/**
 * What a bank answers to half its own candidates, each left out of its own support set, and half draws of its calibration's mixture;
 * without a mixture, of a Gaussian with the candidates' mean and covariance. Mixed up.
 */
export async function lessonsOf(
  pool: InferencePool,
  { candidates: vectors, samePersonCeiling, neighbours, calibration }: LessonSource,
  options: LessonOptions,
): Promise<Lessons> {
  const { signal, onProgress } = options;
  const own = Math.min(vectors.rows, options.count >> 1);
  const total = options.count;
  const rows = Array.from({ length: own }, (_, i) => Math.floor((i * vectors.rows) / own));
  const drawn = await drawsLike(vectors, calibration, total - own, signal);
  const exact = await ExactEngine.create({ candidates: vectors, pool });
  try {
    const search = new SupportSearch({ engine: exact, exact, samePersonCeiling });
    const estimator = new VirtualEstimator(search, neighbours);
    const ask = (queries: UnitMatrix, before: number, more: EstimateOptions = {}) =>
      estimator.estimate(queries, {
        ...more,
        ...(signal ? { signal } : {}),
        onProgress: (done) => onProgress?.(before + done, total),
      });
    const asked = vectors.gather(rows);
    const answers = [
      await ask(asked, 0, { exclude: rows.map((row) => ({ rows: [row] })) }),
      await ask(drawn, own),
    ];
    return mixedUp(UnitMatrix.concat([asked, drawn], vectors.dimension), answers);
  } finally {
    await exact.close();
  }
}

/** Vectors like the candidates, of people whom the bank does not have. */
async function drawsLike(
  vectors: UnitMatrix,
  calibration: Calibration | undefined,
  count: number,
  signal: AbortSignal | undefined,
): Promise<UnitMatrix> {
  const { dimension } = vectors;
  const source = calibration && calibration.mixture.length > 0 ? calibration : gaussianOf(vectors);
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

function gaussianOf(vectors: UnitMatrix): Pick<Calibration, 'mixture' | 'moments'> {
  const moments = momentsOf(vectors);
  const d = vectors.dimension;
  const covariance = covarianceOf(moments);
  const ridge = (RIDGE * traceOf(covariance)) / d + 1e-12;
  for (let i = 0; i < d; i++) covariance[i * d + i]! += ridge;
  return { moments, mixture: [{ weight: 1, mean: moments.mean, covariance }] };
}

/** All of it in an order that has nothing to do with where it came from. */
function mixedUp(queries: UnitMatrix, answers: readonly DiscrepancyEstimate[]): Lessons {
  const m = queries.rows;
  const order = [...Array(m).keys()].sort((a, b) => ((a * GOLDEN) % 1) - ((b * GOLDEN) % 1));
  const column = (field: 'r' | 'sigma') => {
    const all = answers.flatMap((answer) => [...answer[field]]);
    return Float64Array.from(order, (row) => all[row]!);
  };
  return { queries: queries.gather(order), r: column('r'), sigma: column('sigma') };
}
