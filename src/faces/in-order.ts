/**
 * Maps values with up to `width` calls under way at once and gives the results in the order of the values. The source is read no
 * further ahead than that. A rejection ends the sequence, as does the consumer's `return`.
 */
export async function* inOrder<T, R>(
  values: Iterable<T> | AsyncIterable<T>,
  width: number,
  map: (value: T) => Promise<R>,
): AsyncGenerator<R> {
  const underWay: Promise<R>[] = [];
  try {
    for await (const value of values) {
      const mapped = map(value);
      // Its turn to be awaited comes later; until then a rejection is not unheard of.
      mapped.catch(() => {});
      underWay.push(mapped);
      if (underWay.length >= width) yield await underWay.shift()!;
    }
    while (underWay.length > 0) yield await underWay.shift()!;
  } finally {
    // What is still under way has nobody left to tell.
    await Promise.allSettled(underWay);
  }
}

/** Cuts a sequence into groups that each hold `size` values that count; the last may hold fewer. */
export async function* grouped<T>(
  values: AsyncIterable<T>,
  size: number,
  counts: (value: T) => boolean,
): AsyncGenerator<T[]> {
  let group: T[] = [];
  let counted = 0;
  for await (const value of values) {
    group.push(value);
    if (counts(value)) counted++;
    if (counted < size) continue;
    yield group;
    group = [];
    counted = 0;
  }
  if (group.length > 0) yield group;
}
