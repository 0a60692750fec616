/** Small objects are asked for this many at a time: from a bucket, each costs a round trip. */
const WIDTH = 16;

/** The results in the order of the items. */
export async function inParallel<T, R>(items: readonly T[], call: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let start = 0; start < items.length; start += WIDTH)
    results.push(...(await Promise.all(items.slice(start, start + WIDTH).map(call))));
  return results;
}
