import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sortNeighbours } from '../../../src/neighbours/order.js';

const similarity = fc.oneof(
  fc.float({ min: -1, max: 1, noNaN: true }),
  // Equal ones, both zeros among them.
  fc.constantFrom(0, -0, 0.5, -0.5, 1, -1, 1.1920929e-7, -1.1920929e-7),
);

describe('neighbours in order', () => {
  it('are the most similar first, of equally similar ones the lower row first', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 4 }),
        fc.func(similarity),
        fc.integer({ min: 0, max: 2 ** 29 - 100 }),
        (width, queries, similarityOf, first) => {
          const found = Array.from({ length: queries }, (_, q) =>
            Array.from({ length: width }, (_, i) => ({
              similarity: Math.fround(similarityOf(q, i)),
              row: first + ((i * 7 + q) % width) + (i % 2 === 0 ? 0 : width),
            })),
          );
          const expected = found.map((list) =>
            [...list].sort((a, b) => b.similarity - a.similarity || a.row - b.row),
          );
          const similarities = Float32Array.from(found.flat(), (each) => each.similarity);
          const alone = similarities.slice();
          const rows = Int32Array.from(found.flat(), (each) => each.row);
          sortNeighbours(similarities, rows, width);
          expect([...rows]).toEqual(expected.flat().map(({ row }) => row));
          expect([...similarities].map((s) => s + 0)).toEqual(
            expected.flat().map((each) => each.similarity + 0),
          );
          sortNeighbours(alone, new Int32Array(0), width);
          expect([...alone].map((s) => s + 0)).toEqual([...similarities].map((s) => s + 0));
        },
      ),
      { numRuns: 300 },
    );
  });
});
