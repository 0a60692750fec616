import { EigenvalueDecomposition, Matrix } from 'ml-matrix';

/** Functions of symmetric matrices [d, d], row-major. */

interface Eigen {
  /** [d] ascending. */
  readonly values: Float64Array;
  /** [d, d]; column j belongs to value j, columns are orthonormal. */
  readonly vectors: Float64Array;
}

function eigenOf(symmetric: Float64Array): Eigen {
  const d = Math.sqrt(symmetric.length);
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(
    Matrix.from1DArray(d, d, symmetric),
    { assumeSymmetric: true },
  );
  return {
    values: Float64Array.from(realEigenvalues),
    vectors: Float64Array.from(eigenvectorMatrix.to1DArray()),
  };
}

/**
 * A power of a symmetric positive semi-definite matrix, V·diag(max(λ, floor)^p)·Vᵀ. It is symmetric too.
 *
 * @param floor least eigenvalue taken, > 0 where `p` is negative
 */
export function powerOf(symmetric: Float64Array, p: number, floor: number): Float64Array {
  const { values, vectors } = eigenOf(symmetric);
  const d = values.length;
  const scaled = new Float64Array(d * d);
  for (let j = 0; j < d; j++) {
    const factor = Math.max(values[j]!, floor) ** p;
    for (let i = 0; i < d; i++) scaled[i * d + j] = vectors[i * d + j]! * factor;
  }
  const power = new Float64Array(d * d);
  for (let i = 0; i < d; i++)
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let k = 0; k < d; k++) sum += scaled[i * d + k]! * vectors[j * d + k]!;
      power[i * d + j] = power[j * d + i] = sum;
    }
  return power;
}

/** Rounds of orthogonal iteration. What a flat spectrum leaves mixed up after so many is not worth telling apart. */
const ROUNDS = 10;
const GOLDEN = 0.6180339887498949;

/**
 * A symmetric positive semi-definite matrix as B·Bᵀ + t·I, nearly: B [d, rank] of the largest eigenvalues, t the mean of the others
 * (probabilistic principal components, Tipping, Bishop 1999). Its trace stays. By orthogonal iteration, of which 512 dimensions take a
 * twentieth of the time of a full decomposition.
 *
 * @param rank 1..d; d gives the matrix itself and t = 0
 */
export function factorOf(
  symmetric: Float64Array,
  rank: number,
): { readonly factor: Float64Array; readonly rest: number } {
  const d = Math.sqrt(symmetric.length);
  // Rows are directions: sawtooth waves to begin with, which have some of everything.
  let basis: Float64Array[] = Array.from({ length: rank }, (_, j) =>
    Float64Array.from({ length: d }, (_, i) => (((i + 1) * (j + 1) * GOLDEN) % 1) - 0.5),
  );
  for (let round = 0; round < ROUNDS; round++) basis = orthonormal(basis).map((x) => times(symmetric, x));
  basis = orthonormal(basis);
  const images = basis.map((x) => times(symmetric, x));
  const inside = new Float64Array(rank * rank);
  for (let a = 0; a < rank; a++)
    for (let b = 0; b < rank; b++) inside[a * rank + b] = inner(basis[a]!, images[b]!);
  const { values, vectors } = eigenOf(inside);
  const rest = rank < d ? Math.max(0, (traceOf(symmetric) - traceOf(inside)) / (d - rank)) : 0;
  const factor = new Float64Array(d * rank);
  for (let j = 0; j < rank; j++) {
    const scale = Math.sqrt(Math.max(0, values[j]! - rest));
    for (let a = 0; a < rank; a++) {
      const share = scale * vectors[a * rank + j]!;
      for (let i = 0; i < d; i++) factor[i * rank + j]! += share * basis[a]![i]!;
    }
  }
  return { factor, rest };
}

const inner = (a: Float64Array, b: Float64Array): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
};

/** A symmetric matrix times x. */
function times(symmetric: Float64Array, x: Float64Array): Float64Array {
  const d = x.length;
  return x.map((_, i) => inner(symmetric.subarray(i * d, (i + 1) * d), x));
}

/** By Gram and Schmidt, twice, as once leaves rounding. What is nothing but the ones before it becomes 0. */
function orthonormal(rows: readonly Float64Array[]): Float64Array[] {
  const done: Float64Array[] = [];
  for (const row of rows) {
    const x = row.slice();
    const length = Math.sqrt(inner(x, x));
    for (const other of [...done, ...done]) {
      const share = inner(x, other);
      for (let i = 0; i < x.length; i++) x[i]! -= share * other[i]!;
    }
    const left = Math.sqrt(inner(x, x));
    done.push(left > 1e-9 * length ? x.map((value) => value / left) : x.fill(0));
  }
  return done;
}

/** a·b of two matrices [d, d]. */
export function productOf(a: Float64Array, b: Float64Array): Float64Array {
  const d = Math.sqrt(a.length);
  const product = new Float64Array(d * d);
  for (let i = 0; i < d; i++)
    for (let k = 0; k < d; k++) {
      const x = a[i * d + k]!;
      for (let j = 0; j < d; j++) product[i * d + j]! += x * b[k * d + j]!;
    }
  return product;
}

/**
 * Cholesky's L with L·Lᵀ = a, lower triangle, zeros above.
 *
 * @returns undefined when `a` is not positive definite
 */
export function choleskyOf(a: Float64Array): Float64Array | undefined {
  const d = Math.sqrt(a.length);
  const l = new Float64Array(d * d);
  for (let i = 0; i < d; i++)
    for (let j = 0; j <= i; j++) {
      let sum = a[i * d + j]!;
      for (let k = 0; k < j; k++) sum -= l[i * d + k]! * l[j * d + k]!;
      if (i !== j) l[i * d + j] = sum / l[j * d + j]!;
      // Written so that NaN is refused too.
      else if (sum > 0) l[i * d + i] = Math.sqrt(sum);
      else return undefined;
    }
  return l;
}

/** Sum of the diagonal of a [d, d] matrix: of a covariance, d times the mean variance. */
export function traceOf(matrix: Float64Array): number {
  const d = Math.sqrt(matrix.length);
  let sum = 0;
  for (let i = 0; i < d; i++) sum += matrix[i * d + i]!;
  return sum;
}
