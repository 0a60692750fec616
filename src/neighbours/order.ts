import quickselect from 'quickselect';

/** Bits of a double's fraction that a float's leaves at zero: room for the number of a row. */
const ROW_BITS = 29;
const ROW_MASK = 2 ** ROW_BITS - 1;
/** Where the lower half of a double lies. */
const LOW = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? 0 : 1;

/** Similarities, each finite, and the rows of their candidates, 0..2²⁹ - 1. */
export interface Found {
  readonly similarities: Float32Array;
  readonly rows: Int32Array;
}

const descending = (a: number, b: number) => b - a;

/** Puts the `count` largest of those from `begin` up to, but not including, `end` first, in any order. */
export function largestFirst(
  values: Float32Array,
  count: number,
  begin = 0,
  end: number = values.length,
): void {
  if (begin + count < end)
    quickselect(values as unknown as number[], begin + count - 1, begin, end - 1, descending);
}

/**
 * The nearest of a query in order: the most similar first, and of equally similar ones the lower row first. Numbers are
 * sorted natively, pairs are not: so each pair becomes one number, a double that holds the float and, below it, the row.
 *
 * @param all in any order
 * @param nearest filled with as many as it holds, at most those of `all`
 */
export function nearestFirst(all: Found, nearest: Found): void {
  const count = all.similarities.length;
  const width = nearest.similarities.length;
  const pairs = new Float64Array(count);
  const words = new Uint32Array(pairs.buffer);
  for (let i = 0; i < count; i++) {
    // Adding makes -0 a 0, which is as similar. A larger fraction lifts what is positive and lowers what is not.
    const similarity = all.similarities[i]! + 0;
    const row = all.rows[i]!;
    pairs[i] = similarity;
    words[2 * i + LOW]! |= similarity < 0 ? row : ROW_MASK - row;
  }
  pairs.sort();
  for (let i = 0; i < width; i++) {
    const at = count - 1 - i;
    const held = words[2 * at + LOW]! & ROW_MASK;
    words[2 * at + LOW]! &= ~ROW_MASK;
    const similarity = pairs[at]!;
    nearest.similarities[i] = similarity;
    nearest.rows[i] = similarity < 0 ? held : ROW_MASK - held;
  }
}
