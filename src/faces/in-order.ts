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

/** Cuts a sequence into groups of `size` values; the last may hold fewer. */
export async function* grouped<T>(values: Iterable<T> | AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let group: T[] = [];
  for await (const value of values) {
    group.push(value);
    if (group.length < size) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}
