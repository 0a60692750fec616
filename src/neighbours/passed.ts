import type { Blocks } from './exact-graph.js';
import { type Found, nearestFirst } from './order.js';

/** What a batch's search lets pass; see `exactGraph`. */
export interface Passed {
  readonly similarities: Float32Array;
  readonly places: Int32Array;
  readonly blocks: Int32Array;
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
  { size, count }: Blocks,
  queries: number,
  width: number,
  found: Found,
): number[] {
  const { similarities, places, blocks } = passed;
  const shift = Math.log2(size);
  const wantsRows = found.rows.length > 0;
  const lacking: number[] = [];
  let begin = 0;
  for (let query = 0; query < queries; query++) {
    const [firstBlock, nextBlock] = [query * count, (query + 1) * count];
    let end = begin;
    while (end < places.length && blocks[places[end]! >> shift]! < nextBlock) end++;
    if (end - begin < width) lacking.push(query);
    else {
      const rows = new Int32Array(wantsRows ? end - begin : 0);
      for (let i = 0; i < rows.length; i++) {
        const place = places[begin + i]!;
        rows[i] = (blocks[place >> shift]! - firstBlock) * size + (place & (size - 1));
      }
      const at = query * width;
      nearestFirst(
        { similarities: similarities.subarray(begin, end), rows },
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
