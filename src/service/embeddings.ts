import { FoilbankError } from '../errors.js';
import type { Embedding } from '../gen/index.js';
import { UnitMatrix } from '../vectors/index.js';

/** Embeddings of a request, all of unit length. */
export interface ReadEmbeddings {
  /** [m, d] */
  readonly matrix: UnitMatrix;
  /** [m] whether a row was not of unit length. */
  readonly normalised: readonly boolean[];
}

/**
 * @param dimension d, of the bank
 * @param strict refuses what is not of unit length within 1e-3
 * @throws FoilbankError FB_EMBEDDING_BYTES, FB_EMBEDDING_LENGTH, FB_EMBEDDING_NOT_FINITE, FB_EMBEDDING_ZERO,
 *   FB_EMBEDDING_NOT_UNIT (`strict`)
 */
export function readEmbeddings(
  embeddings: readonly Embedding[],
  dimension: number,
  strict: boolean,
): ReadEmbeddings {
  const data = new Float32Array(embeddings.length * dimension);
  const bytes = new Uint8Array(data.buffer);
  embeddings.forEach(({ packed, values }, row) => {
    if (packed.length % 4 !== 0) throw new FoilbankError('FB_EMBEDDING_BYTES', { row, bytes: packed.length });
    const actual = packed.length > 0 ? packed.length / 4 : values.length;
    if (actual !== dimension)
      throw new FoilbankError('FB_EMBEDDING_LENGTH', {
        ...{ what: `embedding ${row}`, actual, expected: dimension },
      });
    if (packed.length > 0) bytes.set(packed, row * dimension * 4);
    else data.set(values, row * dimension);
  });
  const normalised = embeddings.map((_, row) => !isUnit(data, row * dimension, dimension));
  const matrix =
    strict || !normalised.includes(true)
      ? UnitMatrix.adopt(data, dimension, 'embeddings')
      : UnitMatrix.normalise(data, dimension, 'embeddings');
  return { matrix, normalised };
}

/** False for NaN, too. */
function isUnit(data: Float32Array, from: number, dimension: number): boolean {
  let square = 0;
  for (let i = from; i < from + dimension; i++) square += data[i]! * data[i]!;
  return Math.abs(Math.sqrt(square) - 1) <= 1e-3;
}
