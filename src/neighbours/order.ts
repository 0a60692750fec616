/** Bits of a double's fraction that a float's leaves at zero: room for the number of a row. */
const ROW_BITS = 29;
const ROW_MASK = 2 ** ROW_BITS - 1;
/** Where the lower half of a double lies. */
const LOW = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? 0 : 1;

/**
 * Puts the neighbours of every query in order: the most similar first, and of equally similar ones the lower row first. Numbers are
 * sorted natively, pairs are not: so each pair becomes one number, a double that holds the float and, below it, the row.
 *
 * @param similarities shape [m, width], each finite
 * @param rows the same shape, 0..2²⁹ - 1, or empty
 */
export function sortNeighbours(similarities: Float32Array, rows: Int32Array, width: number): void {
  if (rows.length === 0) {
    for (let from = 0; from < similarities.length; from += width)
      similarities
        .subarray(from, from + width)
        .sort()
        .reverse();
    return;
  }
  const pairs = new Float64Array(width);
  const words = new Uint32Array(pairs.buffer);
  for (let from = 0; from < similarities.length; from += width) {
    for (let i = 0; i < width; i++) {
      // Adding makes -0 a 0, which is as similar. A larger fraction lifts what is positive and lowers what is not.
      const similarity = similarities[from + i]! + 0;
      const row = rows[from + i]!;
      pairs[i] = similarity;
      words[2 * i + LOW]! |= similarity < 0 ? row : ROW_MASK - row;
    }
    pairs.sort();
    for (let i = 0; i < width; i++) {
      const at = width - 1 - i;
      const held = words[2 * at + LOW]! & ROW_MASK;
      words[2 * at + LOW]! &= ~ROW_MASK;
      const similarity = pairs[at]!;
      similarities[from + i] = similarity;
      rows[from + i] = similarity < 0 ? held : ROW_MASK - held;
    }
  }
}
