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
