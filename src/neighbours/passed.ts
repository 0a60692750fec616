import type { Blocks } from './exact-graph.js';
import { type Found, largestFirst, nearestFirst } from './order.js';

/** What a batch's search lets pass; see `exactGraph`. */
export interface Passed {
  readonly similarities: Float32Array;
  readonly places: Int32Array;
  readonly blocks: Int32Array;
}

/**
 * Puts the `width` nearest of every query into `found`: in order, or where only their similarities are wanted in any order, which takes a
 * quarter of the time.
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
    const at = query * width;
    if (end - begin < width) lacking.push(query);
    else if (!wantsRows) {
      // By place: a view of each query's would be most of what a search leaves to the collector.
      largestFirst(similarities, width, begin, end);
      for (let i = 0; i < width; i++) found.similarities[at + i] = similarities[begin + i]!;
    } else {
      const rows = new Int32Array(end - begin);
      for (let i = 0; i < rows.length; i++) {
        const place = places[begin + i]!;
        rows[i] = (blocks[place >> shift]! - firstBlock) * size + (place & (size - 1));
      }
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
