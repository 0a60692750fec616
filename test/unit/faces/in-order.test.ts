import { setTimeout } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { grouped, inOrder } from '../../../src/faces/in-order.js';

describe('inOrder', () => {
  it('gives every result, in the order of the values, with at most so many under way', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(3)), fc.integer({ min: 1, max: 5 }), async (delays, width) => {
        let underWay = 0;
        let most = 0;
        const results: number[] = [];
        const work = inOrder(delays.entries(), width, async ([i, delay]) => {
          most = Math.max(most, ++underWay);
          await setTimeout(delay);
          underWay--;
          return i;
        });
        for await (const i of work) results.push(i);
        expect(results).toEqual([...delays.keys()]);
        expect(most).toBeLessThanOrEqual(width);
      }),
      { numRuns: 30 },
    );
  });

  it('ends at the first failure in order, and no other failure escapes', async () => {
    const results: number[] = [];
    const run = async () => {
      for await (const i of inOrder([0, 1, 2, 3], 3, async (i) => {
        if (i > 0) throw new Error(`value ${i}`);
        await setTimeout(5);
        return i;
      }))
        results.push(i);
    };
    await expect(run()).rejects.toThrow('value 1');
    expect(results).toEqual([0]);
  });

  it('reads no further ahead than it works', async () => {
    let read = 0;
    function* source() {
      for (;;) yield read++;
    }
    for await (const i of inOrder(source(), 4, async (i) => i)) if (i === 5) break;
    expect(read).toBeLessThanOrEqual(10);
  });
});

describe('grouped', () => {
  it('loses nothing, keeps the order, and fills each group but the last', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(20)), fc.integer({ min: 1, max: 5 }), async (values, size) => {
        const groups: number[][] = [];
        for await (const group of grouped(values, size)) groups.push(group);
        expect(groups.flat()).toEqual(values);
        for (const [i, group] of groups.entries()) {
          if (i < groups.length - 1) expect(group).toHaveLength(size);
          else expect(group.length).toBeGreaterThan(0);
        }
      }),
    );
  });
});
