import type { Blocks } from './exact-graph.js';
import { type Found, nearestFirst } from './order.js';

/** What a batch's search lets pass; see `exactGraph`. */
export interface Passed {
  readonly similarities: Float32Array;
  readonly places: Int32Array;
  readonly blocks: Int32Array;
  /** [queries, rest] */
  readonly last: Float32Array;
}

/**
 * Puts the `width` nearest of every query in order into `found`.
 *
 * @param queries the first ones of the batch: others are left out
 * @param found `similarities` [queries, width], and `rows` of the same shape, or empty where they are not wanted
 * @returns the queries for which fewer have passed; nothing is put there
 */
export function keepNearest(
  passed: Passed,
  { size, count, rest }: Blocks,
  queries: number,
  width: number,
  found: Found,
): number[] {
  const { similarities, places, blocks, last } = passed;
  const shift = Math.log2(size);
  const wantsRows = found.rows.length > 0;
  const lacking: number[] = [];
  let begin = 0;
  for (let query = 0; query < queries; query++) {
    const [firstBlock, nextBlock] = [query * count, (query + 1) * count];
    let end = begin;
    while (end < places.length && blocks[places[end]! >> shift]! < nextBlock) end++;
    const own = end - begin;
    if (own + rest < width) lacking.push(query);
    else {
      const values = new Float32Array(own + rest);
      values.set(similarities.subarray(begin, end));
      values.set(last.subarray(query * rest, (query + 1) * rest), own);
      const rows = new Int32Array(wantsRows ? values.length : 0);
      for (let i = 0; i < rows.length; i++) {
        const place = places[begin + i]!;
        rows[i] =
          i < own
            ? (blocks[place >> shift]! - firstBlock) * size + (place & (size - 1))
            : count * size + i - own;
      }
      const at = query * width;
      nearestFirst(
        { similarities: values, rows },
        {
          similarities: found.similarities.subarray(at, at + width),
          rows: found.rows.subarray(at, at + width),
        },
      );
    }
    begin = end;
  }
  return lacking;
}
