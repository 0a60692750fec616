import { describe, expect, it } from 'vitest';
import { bunchedVectors } from '../../../bench/support/bunched-vectors.js';
import { type Batch, BatchQueue } from '../../../src/neighbours/batches.js';

const matrix = bunchedVectors({ rows: 200, dimension: 4, seed: 1 });

/** A queue whose batches answer each query with its own first value, and a record of the batches. */
function queue({ threads = 1, worthSharing = 16 } = {}, fail?: (batch: Batch) => boolean) {
  const batches: Batch[] = [];
  let underWay = 0;
  let most = 0;
  const submitTo = new BatchQueue({
    ...{ threads, worthSharing },
    sizes: () => [1, 4, 16],
    run: async (batch) => {
      batches.push(batch);
      most = Math.max(most, ++underWay);
      await new Promise((resolve) => setTimeout(resolve, 1));
      underWay--;
      if (fail?.(batch)) throw new Error('the session failed');
      const cells = batch.size * batch.width;
      const similarities = Float32Array.from(
        { length: cells },
        (_, i) => batch.queries[Math.floor(i / batch.width) * 4]!,
      );
      return { similarities, rows: new Int32Array(batch.wantsRows ? cells : 0) };
    },
  });
  return { queue: submitTo, batches, mostUnderWay: () => most };
}

const firstValues = (begin: number, end: number) =>
  Float32Array.from({ length: end - begin }, (_, i) => matrix.row(begin + i)[0]!);

describe('BatchQueue', () => {
  it('cuts a request into batches of the allowed sizes, the last one filled up with its first row', async () => {
    const { queue: q, batches } = queue();
    const found = await q.submit(matrix.slice(0, 35), 1, false);
    expect(found.similarities).toEqual(firstValues(0, 35));
    expect(batches.map((b) => [b.size, b.count])).toEqual([
      [16, 16],
      [16, 16],
      [4, 3],
    ]);
    expect(batches[2]!.queries.slice(12)).toEqual(matrix.row(32));
  });

  it('joins requests of one turn of the event loop into one batch, and each gets its own answer', async () => {
    const { queue: q, batches } = queue();
    const found = await Promise.all(
      Array.from({ length: 10 }, (_, i) => q.submit(matrix.slice(i, i + 1), 1, true)),
    );
    expect(batches).toHaveLength(1);
    found.forEach((f, i) => {
      expect(f.similarities).toEqual(firstValues(i, i + 1));
    });
  });

  it('never joins requests of different widths or wants', async () => {
    const { queue: q, batches } = queue();
    await Promise.all([
      q.submit(matrix.slice(0, 2), 1, true),
      q.submit(matrix.slice(2, 4), 2, true),
      q.submit(matrix.slice(4, 6), 1, false),
      q.submit(matrix.slice(6, 8), 1, true),
    ]);
    expect(batches.map((b) => [b.count, b.width, b.wantsRows])).toEqual([
      [4, 1, true],
      [2, 2, true],
      [2, 1, false],
    ]);
  });

  it('has one batch more under way than there are threads', async () => {
    const { queue: q, mostUnderWay } = queue({ threads: 2 });
    await q.submit(matrix, 1, false);
    expect(mostUnderWay()).toBe(3);
  });

  it('shares what waits out among the threads, while the shares are worth it', async () => {
    const { queue: q, batches } = queue({ threads: 4, worthSharing: 4 });
    await q.submit(matrix.slice(0, 16), 1, false);
    expect(batches.map((b) => b.count)).toEqual([4, 4, 4, 4]);
    const { queue: lone, batches: whole } = queue({ threads: 4, worthSharing: 16 });
    await lone.submit(matrix.slice(0, 16), 1, false);
    expect(whole.map((b) => b.count)).toEqual([16]);
  });

  it('fails the requests of a failed batch and no others', async () => {
    const { queue: q } = queue({}, (batch) => batch.width === 2);
    const good = q.submit(matrix.slice(0, 40), 1, false);
    const bad = q.submit(matrix.slice(0, 40), 2, false);
    await expect(bad).rejects.toThrow('the session failed');
    expect((await good).similarities).toEqual(firstValues(0, 40));
    expect((await q.submit(matrix.slice(0, 1), 1, false)).similarities).toEqual(firstValues(0, 1));
  });
});
