import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { InferencePool } from '../../../src/onnx/index.js';
import { withoutNearDuplicates } from '../../../src/pipeline/near-duplicates.js';
import { uniform } from '../../support/random-vectors.js';

const pool = new InferencePool({ threads: 2 });
afterAll(() => pool.close());

function unitRows(m: number, d: number, random: () => number): Float32Array {
  const rows = new Float32Array(m * d);
  for (let i = 0; i < m; i++) {
    const row = Array.from({ length: d }, () => random() - 0.5);
    const norm = Math.hypot(...row);
    row.forEach((x, j) => {
      rows[i * d + j] = x / norm;
    });
  }
  return rows;
}

/** The rule in its plainest form. */
function greedy(rows: Float32Array, d: number, ceiling: number): number[] {
  const kept: number[] = [];
  const dot = (a: number, b: number) => {
    let sum = 0;
    for (let j = 0; j < d; j++) sum += (rows[a * d + j] as number) * (rows[b * d + j] as number);
    return sum;
  };
  for (let i = 0; i < rows.length / d; i++) if (kept.every((j) => dot(i, j) <= ceiling)) kept.push(i);
  return kept;
}

describe('withoutNearDuplicates', () => {
  it('keeps what a plain greedy pass keeps, across block borders', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer(),
        fc.integer({ min: 1, max: 700 }),
        fc.double({ min: 0.2, max: 0.95, noNaN: true }),
        async (seed, m, ceiling) => {
          const rows = unitRows(m, 4, uniform(seed));
          const kept = await withoutNearDuplicates(pool, rows, 4, ceiling);
          expect([...kept]).toEqual(greedy(rows, 4, ceiling));
        },
      ),
      { numRuns: 20 },
    );
  });

  it('keeps the first of two equal rows', async () => {
    const rows = Float32Array.of(1, 0, 1, 0, 0, 1);
    expect([...(await withoutNearDuplicates(pool, rows, 2, 0.9))]).toEqual([0, 2]);
  });

  it('stops when it is cancelled', async () => {
    const signal = AbortSignal.abort();
    await expect(withoutNearDuplicates(pool, Float32Array.of(1, 0), 2, 0.9, signal)).rejects.toMatchObject({
      code: 'FB_CANCELLED',
    });
  });
});
