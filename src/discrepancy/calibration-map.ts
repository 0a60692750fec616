import {
  choleskyOf,
  covarianceOf,
  momentsOf,
  powerOf,
  productOf,
  traceOf,
  UnitMatrix,
} from '../vectors/index.js';
import type { Calibration } from './calibration.js';
import { expected } from './mixture.js';

/** Weight, in faces, of all faces' covariance in that of the faces of one component. */
const FACES_POOLING = 0.5;
/** Least eigenvalue that is whitened, as a share of the mean one. */
const FLOOR = 1e-5;

type Rows = Pick<UnitMatrix, 'data' | 'dimension' | 'rows'>;

/**
 * Virtual faces moved to where real ones lie, row for row. All together get the sample's mean and covariance (correlation alignment:
 * Sun, Feng, Saenko 2016), then the faces nearest to each component of the mixture get that component's; at last they are
 * scaled to unit length.
 *
 * @param faces [m, d] as their pictures were embedded
 */
export async function mapFaces(calibration: Calibration, faces: UnitMatrix): Promise<UnitMatrix> {
  const { moments, mixture, shrinkage } = calibration;
  const own = momentsOf(faces);
  const from = covarianceOf(own);
  const wanted = shrunk(covarianceOf(moments), from, moments.n, shrinkage);
  const all = [...Array(faces.rows).keys()];
  const data = new Float64Array(faces.data.length);
  moveRows(
    faces,
    all,
    data,
    { mean: own.mean, covariance: from },
    { mean: moments.mean, covariance: wanted },
  );
  if (mixture.length > 0) {
    const moved: Rows = { data: Float32Array.from(data), dimension: faces.dimension, rows: faces.rows };
    const whole = covarianceOf(momentsOf(moved));
    const { members } = await expected(mixture, moved);
    mixture.forEach((component, k) => {
      const rows = all.filter((row) => members.every((other) => other[row]! <= members[k]![row]!));
      if (rows.length < 2) return;
      const weights = new Uint8Array(faces.rows);
      for (const row of rows) weights[row] = 1;
      const here = momentsOf(moved, weights);
      const covariance = shrunk(covarianceOf(here), whole, here.n, FACES_POOLING * faces.dimension, false);
      moveRows(moved, rows, data, { mean: here.mean, covariance }, component);
    });
  }
  return UnitMatrix.normalise(data, faces.dimension, 'calibrated face');
}

interface Cloud {
  readonly mean: Float64Array;
  readonly covariance: Float64Array;
}

/** (n·own + weight·other) / (n + weight); `other` is first given the trace of `own` unless `scaled` is false. */
function shrunk(own: Float64Array, other: Float64Array, n: number, weight: number, scaled = true) {
  if (weight === 0) return own;
  const scale = scaled ? traceOf(own) / Math.max(traceOf(other), 1e-12) : 1;
  return own.map((x, i) => (n * x + weight * scale * other[i]!) / (n + weight));
}

/** Whitens rows by `from` and colours them by `to`: v ↦ to.mean + (v − from.mean)·from^−½·to^½. */
function moveRows(
  { data, dimension: d }: Rows,
  rows: readonly number[],
  into: Float64Array,
  from: Cloud,
  to: Cloud,
) {
  const floor = Math.max((FLOOR * traceOf(from.covariance)) / d, 1e-12);
  const map = productOf(powerOf(from.covariance, -0.5, floor), powerOf(to.covariance, 0.5, 0));
  const moved = new Float64Array(d);
  for (const row of rows) {
    moved.set(to.mean);
    for (let i = 0; i < d; i++) {
      const x = data[row * d + i]! - from.mean[i]!;
      for (let j = 0; j < d; j++) moved[j]! += x * map[i * d + j]!;
    }
    into.set(moved, row * d);
  }
}

/** 1/φ of the golden ratio: multiples of it, modulo 1, fill the unit interval evenly. */
const GOLDEN = 0.6180339887498949;

/** Draws beside each face. Fewer cost accuracy at FAR 1e-5, more at 1e-4, each by little (docs/calibration.md). */
export const DRAWS_PER_FACE = 0.5;

/**
 * Draws of the mixture, of unit length: people whom no picture shows. Row i is a pure function of the calibration, of
 * `numbers[i]` and of row i of `normals`.
 *
 * @param numbers [m] whole numbers, one a draw; consecutive ones fall to the components by their weights
 * @param normals [m, d] standard normal, row by row
 */
export function drawsOf(
  { mixture, moments }: Pick<Calibration, 'mixture' | 'moments'>,
  numbers: readonly number[],
  normals: Float32Array,
): UnitMatrix {
  const d = moments.mean.length;
  const factors = mixture.map(({ covariance }) => choleskyOf(covariance) as Float64Array);
  const data = new Float64Array(numbers.length * d);
  numbers.forEach((number, row) => {
    const k = componentAt(mixture, (number * GOLDEN) % 1);
    const [l, { mean }] = [factors[k]!, mixture[k]!];
    for (let i = 0; i < d; i++) {
      let x = mean[i]!;
      for (let j = 0; j <= i; j++) x += l[i * d + j]! * normals[row * d + j]!;
      data[row * d + i] = x;
    }
  });
  return UnitMatrix.normalise(data, d, 'draw');
}

function componentAt(mixture: Calibration['mixture'], u: number): number {
  let sum = 0;
  for (let k = 0; k < mixture.length - 1; k++) {
    sum += mixture[k]!.weight;
    if (u < sum) return k;
  }
  return mixture.length - 1;
}
