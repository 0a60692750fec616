import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MicroBatcher } from '../../../src/service/micro-batcher.js';

function batcher(
  options: Partial<{ maxRows: number; maxWaitMs: number; concurrency: number; maxWaiting: number }> = {},
) {
  const batches: { key: string; items: readonly number[] }[] = [];
  let open: (() => void)[] = [];
  const made = new MicroBatcher<number, string>({
    ...{ maxRows: 4, maxWaitMs: 1000, concurrency: 1, maxWaiting: 100, ...options },
    rowsOf: (rows) => rows,
    run: async (items, key) => {
      batches.push({ key, items });
      await new Promise<void>((resolve) => open.push(resolve));
      if (key === 'bad') throw new Error('broken');
      return items.map((item) => `${key}${item}`);
    },
  });
  const finish = async () => {
    const now = open;
    open = [];
    for (const resolve of now) resolve();
    await sleep(5);
  };
  return { made, batches, finish };
}

describe('MicroBatcher', () => {
  it('gives an idle engine at once what one turn of the event loop brought', async () => {
    const { made, batches, finish } = batcher();
    const answers = Promise.all([made.submit('a', 1), made.submit('a', 2)]);
    await sleep(5);
    expect(batches).toEqual([{ key: 'a', items: [1, 2] }]);
    await finish();
    expect(await answers).toEqual(['a1', 'a2']);
  });

  it('gathers what comes while the engine is busy', async () => {
    const { made, batches, finish } = batcher();
    const all = [made.submit('a', 1)];
    await sleep(5);
    all.push(made.submit('a', 1), made.submit('a', 1), made.submit('a', 1));
    await sleep(5);
    expect(batches).toHaveLength(1);
    await finish();
    expect(batches[1]?.items).toEqual([1, 1, 1]);
    await finish();
    await Promise.all(all);
  });

  it('begins a second batch beside the first once it is full, or its oldest has waited long enough', async () => {
    const { made, batches, finish } = batcher({ concurrency: 2, maxWaitMs: 60 });
    const all = [made.submit('a', 1)];
    await sleep(5);
    all.push(made.submit('a', 1));
    await sleep(20);
    expect(batches).toHaveLength(1);
    await sleep(100);
    expect(batches).toHaveLength(2);
    await finish();
    await Promise.all(all);
  });

  it('keeps keys apart, and a failure to its batch', async () => {
    const { made, batches, finish } = batcher();
    const bad = made.submit('bad', 1).catch(String);
    const good = made.submit('good', 1);
    for (let i = 0; i < 3; i++) {
      await sleep(5);
      await finish();
    }
    expect(await bad).toBe('Error: broken');
    expect(await good).toBe('good1');
    expect(batches.map((b) => b.key)).toEqual(['bad', 'good']);
  });

  it('refuses what is too much, and drops what is not wanted any more', async () => {
    const { made, batches, finish } = batcher({ maxWaiting: 3 });
    const first = made.submit('a', 1);
    await sleep(5);
    const abort = new AbortController();
    const dropped = made.submit('a', 3, abort.signal);
    await expect(made.submit('a', 1)).rejects.toMatchObject({ code: 'FB_OVERLOADED' });
    expect(made.depth).toBe(3);
    abort.abort();
    await expect(dropped).rejects.toMatchObject({ code: 'FB_CANCELLED' });
    expect(made.depth).toBe(0);
    await finish();
    await first;
    expect(batches).toHaveLength(1);
  });

  it('answers every item once with its own result, in batches within the limit', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom('a', 'b'), fc.integer({ min: 1, max: 6 })), { maxLength: 40 }),
        async (items) => {
          const sizes: number[][] = [];
          const made = new MicroBatcher<number, string>({
            ...{ maxRows: 4, maxWaitMs: 0, concurrency: 2, maxWaiting: 1000, rowsOf: (n) => n },
            run: async (batch, key) => {
              sizes.push([...batch]);
              await sleep(0);
              return batch.map((n) => `${key}${n}`);
            },
          });
          const answers = await Promise.all(items.map(([key, n]) => made.submit(key, n)));
          expect(answers).toEqual(items.map(([key, n]) => `${key}${n}`));
          expect(made.depth).toBe(0);
          for (const batch of sizes)
            if (batch.length > 1) expect(batch.reduce((a, b) => a + b)).toBeLessThanOrEqual(4);
        },
      ),
      { numRuns: 30 },
    );
  });
});
