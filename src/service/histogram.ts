/** How values are spread: bins of one width from the smallest value to the largest. */
export interface Spread {
  /** Lower edge of the first bin. */
  readonly from: number;
  /** Upper edge of the last; the values that lie on it count in. */
  readonly to: number;
  readonly counts: Uint32Array;
  readonly mean: number;
  /** Population standard deviation. */
  readonly deviation: number;
}

/**
 * @param values those that are not finite are left out
 * @returns all 0 for no values; one bin for values that are all the same
 */
export function spreadOf(values: ArrayLike<number>, bins = 48): Spread {
  let [from, to, count, sum] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!Number.isFinite(value)) continue;
    from = Math.min(from, value);
    to = Math.max(to, value);
    sum += value;
    count++;
  }
  if (count === 0) return { from: 0, to: 0, counts: new Uint32Array(0), mean: 0, deviation: 0 };
  const counts = new Uint32Array(to > from ? bins : 1);
  const mean = sum / count;
  let squares = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!Number.isFinite(value)) continue;
    const bin = to > from ? Math.floor(((value - from) / (to - from)) * bins) : 0;
    counts[Math.min(bin, counts.length - 1)]!++;
    squares += (value - mean) ** 2;
  }
  return { from, to, counts, mean, deviation: Math.sqrt(squares / count) };
}

/** Similarities to look up for r of all that are sampled together: about a second's work, whatever the size of the bank. */
const LOOKED_AT = 40_000_000;

/**
 * Of how many of `rows` candidates statistics are taken: mean r of 2,000 is known to a forty-fifth of its deviation and that of 500 to a
 * twenty-second, and they make two million and 125,000 pairs.
 */
export const sampleOf = (rows: number): number =>
  Math.min(rows, 2000, Math.max(500, Math.floor(LOOKED_AT / rows)));

/** At most `count` rows out of `rows`, evenly spread, ascending. */
export function evenRows(rows: number, count: number): number[] {
  const taken = Math.min(rows, count);
  return Array.from({ length: taken }, (_, i) => Math.floor((i * rows) / taken));
}

/** Similarities of all pairs of different rows of [m, d] unit vectors: m(m − 1)/2 values. */
export function pairSimilarities(data: Float32Array, dimension: number): Float32Array {
  const rows = data.length / dimension;
  const similarities = new Float32Array((rows * (rows - 1)) / 2);
  let at = 0;
  for (let a = 0; a < rows; a++)
    for (let b = a + 1; b < rows; b++) {
      let sum = 0;
      for (let i = 0, [x, y] = [a * dimension, b * dimension]; i < dimension; i++)
        sum += data[x + i]! * data[y + i]!;
      similarities[at++] = sum;
    }
  return similarities;
}
