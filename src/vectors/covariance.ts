import { FoilbankError } from '../errors.js';
import type { UnitMatrix } from './unit-matrix.js';

/**
 * What is kept of a sample of vectors, and all that is: how many, their mean, and their scatter. Two that were gathered apart merge to
 * what one pass over both would have gathered.
 */
export interface Moments {
  /** Vectors seen; with weights, the sum of their weights. ≥ 0. */
  readonly n: number;
  /** [d] */
  readonly mean: Float64Array;
  /** [d, d] Σ w (v − mean)(v − mean)ᵀ, row-major, symmetric. */
  readonly scatter: Float64Array;
}

export const emptyMoments = (dimension: number): Moments => ({
  n: 0,
  mean: new Float64Array(dimension),
  scatter: new Float64Array(dimension * dimension),
});

/**
 * Moments in two passes of double precision.
 *
 * @param vectors rows of [m, d], of any length
 * @param weights [m], ≥ 0; default 1 each
 */
export function momentsOf(
  { data, dimension: d, rows }: Pick<UnitMatrix, 'data' | 'dimension' | 'rows'>,
  weights?: ArrayLike<number>,
): Moments {
  const mean = new Float64Array(d);
  let n = 0;
  for (let row = 0; row < rows; row++) {
    const w = weights ? weights[row]! : 1;
    if (w === 0) continue;
    n += w;
    for (let i = 0; i < d; i++) mean[i]! += w * data[row * d + i]!;
  }
  if (n === 0) return emptyMoments(d);
  for (let i = 0; i < d; i++) mean[i]! /= n;
  const scatter = new Float64Array(d * d);
  const centred = new Float64Array(d);
  for (let row = 0; row < rows; row++) {
    const w = weights ? weights[row]! : 1;
    if (w === 0) continue;
    for (let i = 0; i < d; i++) centred[i] = data[row * d + i]! - mean[i]!;
    for (let i = 0; i < d; i++) {
      const x = w * centred[i]!;
      const at = i * d;
      for (let j = 0; j <= i; j++) scatter[at + j]! += x * centred[j]!;
    }
  }
  mirror(scatter, d);
  return { n, mean, scatter };
}

/**
 * The moments of both samples together (Chan, Golub, LeVeque 1979, in its vector form).
 *
 * @throws FoilbankError FB_EMBEDDING_LENGTH when their vectors differ in length
 */
export function mergeMoments(a: Moments, b: Moments): Moments {
  const d = a.mean.length;
  if (b.mean.length !== d)
    throw new FoilbankError('FB_EMBEDDING_LENGTH', {
      ...{ what: 'moments', actual: b.mean.length, expected: d },
    });
  const n = a.n + b.n;
  if (n === 0) return a;
  const between = a.mean.map((x, i) => b.mean[i]! - x);
  const mean = a.mean.map((x, i) => x + (between[i]! * b.n) / n);
  const scatter = a.scatter.map(
    (x, i) => x + b.scatter[i]! + (between[Math.floor(i / d)]! * between[i % d]! * a.n * b.n) / n,
  );
  return { n, mean, scatter };
}

/** Population covariance [d, d]: scatter / n. No vectors: NaN. */
export const covarianceOf = ({ n, scatter }: Moments): Float64Array => scatter.map((x) => x / n);

/** Copies the lower triangle of [d, d] to the upper one, in place. */
function mirror(square: Float64Array, d: number): void {
  for (let i = 0; i < d; i++) for (let j = 0; j < i; j++) square[j * d + i] = square[i * d + j]!;
}
