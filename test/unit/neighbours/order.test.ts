import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { largestFirst, nearestFirst } from '../../../src/neighbours/order.js';

const similarity = fc.oneof(
  fc.float({ min: -1, max: 1, noNaN: true }),
  // Equal ones, both zeros among them.
  fc.constantFrom(0, -0, 0.5, -0.5, 1, -1, 1.1920929e-7, -1.1920929e-7),
);

describe('neighbours in order', () => {
  it('are the most similar first, of equally similar ones the lower row first', () => {
    fc.assert(
      fc.property(
        fc.array(similarity, { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 0, max: 2 ** 29 - 100 }),
        fc.nat(),
        (values, first, some) => {
          const all = values.map((value, i) => ({
            similarity: Math.fround(value),
            row: first + ((i * 7) % values.length) + (i % 2 === 0 ? 0 : values.length),
          }));
          const width = 1 + (some % all.length);
          const expected = [...all]
            .sort((a, b) => b.similarity - a.similarity || a.row - b.row)
            .slice(0, width);
          const similarities = Float32Array.from(all, (each) => each.similarity);
          const found = { similarities: new Float32Array(width), rows: new Int32Array(width) };
          nearestFirst({ similarities, rows: Int32Array.from(all, ({ row }) => row) }, found);
          expect([...found.rows]).toEqual(expected.map(({ row }) => row));
          const told = expected.map((each) => each.similarity + 0);
          expect([...found.similarities].map((s) => s + 0)).toEqual(told);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('come as the largest of a part of many, in any order, and leave what lies around it', () => {
    fc.assert(
      fc.property(
        fc.array(similarity, { minLength: 1, maxLength: 40 }),
        fc.array(similarity, { maxLength: 5 }),
        fc.nat(),
        (values, around, some) => {
          const width = 1 + (some % values.length);
          const all = Float32Array.from([...around, ...values, ...around]);
          const [begin, end] = [around.length, around.length + values.length];
          const expected = Float32Array.from(all.subarray(begin, end)).sort().reverse().subarray(0, width);
          largestFirst(all, width, begin, end);
          const found = all
            .slice(begin, begin + width)
            .sort()
            .reverse();
          expect([...found].map((s) => s + 0)).toEqual([...expected].map((s) => s + 0));
          for (const [i, value] of around.entries()) {
            expect(all[i]).toBe(Math.fround(value));
            expect(all[end + i]).toBe(Math.fround(value));
          }
        },
      ),
    );
  });
});
