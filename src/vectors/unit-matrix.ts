import { FoilbankError } from '../errors.js';

/**
 * Embeddings: `rows` vectors of unit length in one Float32Array, row after row, shape [rows, dimension]. The similarity of two
 * rows is their dot product, in [-1, 1].
 */
export class UnitMatrix {
  private constructor(
    /** rows × dimension values, row-major. Never change them: views of it are handed out. */
    readonly data: Float32Array,
    readonly dimension: number,
    readonly rows: number,
  ) {}

  /**
   * Scales every row of `values` to unit length, into a new matrix.
   *
   * @param values row after row, shape [rows, dimension]
   * @param what named in errors, for example a file or a photo
   * @throws FoilbankError FB_EMBEDDING_LENGTH, FB_EMBEDDING_NOT_FINITE, FB_EMBEDDING_ZERO
   */
  static normalise(values: ArrayLike<number>, dimension: number, what = 'embedding'): UnitMatrix {
    const rows = rowsOf(values.length, dimension, what);
    const data = new Float32Array(values.length);
    for (let row = 0; row < rows; row++) {
      const inverse = 1 / checkedNorm(values, row, dimension, what);
      const end = (row + 1) * dimension;
      for (let i = row * dimension; i < end; i++) data[i] = values[i]! * inverse;
    }
    return new UnitMatrix(data, dimension, rows);
  }

  /**
   * Takes `data` as it is, without a copy, after checking that every row has unit length (within 1e-3).
   *
   * @throws FoilbankError FB_EMBEDDING_LENGTH, FB_EMBEDDING_NOT_FINITE, FB_EMBEDDING_ZERO, FB_EMBEDDING_NOT_UNIT
   */
  static adopt(data: Float32Array, dimension: number, what = 'embedding'): UnitMatrix {
    const rows = rowsOf(data.length, dimension, what);
    for (let row = 0; row < rows; row++) {
      const norm = checkedNorm(data, row, dimension, what);
      if (Math.abs(norm - 1) > 1e-3)
        throw new FoilbankError('FB_EMBEDDING_NOT_UNIT', { what, row, norm: Number(norm.toPrecision(4)) });
    }
    return new UnitMatrix(data, dimension, rows);
  }

  /** The rows of all parts, one after the other, in one buffer. */
  static concat(parts: readonly UnitMatrix[], dimension: number): UnitMatrix {
    const data = new Float32Array(parts.reduce((sum, part) => sum + part.data.length, 0));
    let offset = 0;
    for (const part of parts) {
      part.expect(dimension);
      data.set(part.data, offset);
      offset += part.data.length;
    }
    return new UnitMatrix(data, dimension, data.length / dimension);
  }

  /** A view of one row, length `dimension`. */
  row(row: number): Float32Array {
    return this.data.subarray(row * this.dimension, (row + 1) * this.dimension);
  }

  /** A view of the rows from `begin` up to, but not including, `end`. */
  slice(begin: number, end: number): UnitMatrix {
    const data = this.data.subarray(begin * this.dimension, end * this.dimension);
    return new UnitMatrix(data, this.dimension, data.length / this.dimension);
  }

  /** A copy of the named rows, in the order given. */
  gather(rows: ArrayLike<number>): UnitMatrix {
    const data = new Float32Array(rows.length * this.dimension);
    for (let i = 0; i < rows.length; i++) data.set(this.row(rows[i]!), i * this.dimension);
    return new UnitMatrix(data, this.dimension, rows.length);
  }

  /** The same rows in memory that worker threads can read without a copy. Returns itself when it already is. */
  shared(): UnitMatrix {
    if (this.data.buffer instanceof SharedArrayBuffer) return this;
    const data = new Float32Array(new SharedArrayBuffer(this.data.byteLength));
    data.set(this.data);
    return new UnitMatrix(data, this.dimension, this.rows);
  }

  /**
   * s(a, b): the dot product of row `row` and row `otherRow` of `other`, summed in double precision, in [-1, 1] up to rounding.
   *
   * @throws FoilbankError FB_EMBEDDING_LENGTH
   */
  similarity(row: number, other: UnitMatrix, otherRow: number): number {
    other.expect(this.dimension);
    const [from, otherFrom] = [row * this.dimension, otherRow * this.dimension];
    // By place, as two views for each product would cost more than it does.
    let sum = 0;
    for (let i = 0; i < this.dimension; i++) sum += this.data[from + i]! * other.data[otherFrom + i]!;
    return sum;
  }

  /** @throws FoilbankError FB_EMBEDDING_LENGTH unless the rows have `dimension` values */
  expect(dimension: number, what = 'embedding'): this {
    if (this.dimension !== dimension)
      throw new FoilbankError('FB_EMBEDDING_LENGTH', { what, actual: this.dimension, expected: dimension });
    return this;
  }
}

function rowsOf(length: number, dimension: number, what: string): number {
  const rows = length / dimension;
  if (!Number.isInteger(dimension) || dimension < 1 || !Number.isInteger(rows))
    throw new FoilbankError('FB_EMBEDDING_LENGTH', { what, actual: length, expected: dimension });
  return rows;
}

function checkedNorm(values: ArrayLike<number>, row: number, dimension: number, what: string): number {
  let square = 0;
  const end = (row + 1) * dimension;
  for (let i = row * dimension; i < end; i++) square += values[i]! * values[i]!;
  // One sum shows every bad value: NaN and infinities survive squaring and adding.
  if (!Number.isFinite(square)) throw new FoilbankError('FB_EMBEDDING_NOT_FINITE', { what, row });
  const norm = Math.sqrt(square);
  // Shorter than this, a float32 vector has lost its direction to rounding.
  if (norm < 1e-12) throw new FoilbankError('FB_EMBEDDING_ZERO', { what, row });
  return norm;
}
