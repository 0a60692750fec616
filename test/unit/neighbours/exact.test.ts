import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { bunchedVectors } from '../../../bench/support/bunched-vectors.js';
import { ExactEngine } from '../../../src/neighbours/index.js';
import { keepNearest } from '../../../src/neighbours/passed.js';
import { InferencePool } from '../../../src/onnx/index.js';
import { UnitMatrix } from '../../../src/vectors/index.js';

const pool = new InferencePool({ threads: 1 });
afterAll(() => pool.close());
const DIMENSION = 8;
const vectors = bunchedVectors({ rows: 5000, dimension: DIMENSION, seed: 1 });
const queries = bunchedVectors({ rows: 5, dimension: DIMENSION, seed: 2 });

/** Whatever order the candidates lie in, the k-th similarity is that of the definition, and every row has the similarity that is told of it. */
async function isExact(candidates: UnitMatrix, asked: UnitMatrix, k: number): Promise<void> {
  const engine = await ExactEngine.create({ candidates, pool });
  const found = await engine.nearest(asked, k);
  const bare = await engine.nearestSimilarities(asked, k);
  await engine.close();
  for (let q = 0; q < asked.rows; q++) {
    const truth = Array.from({ length: candidates.rows }, (_, row) => asked.similarity(q, candidates, row));
    const nearest = truth.toSorted((a, b) => b - a).slice(0, k);
    const [from, to] = [q * found.width, (q + 1) * found.width];
    const rows = found.rows.slice(from, to);
    expect(bare.similarities.slice(from, to).sort().reverse()).toEqual(found.similarities.slice(from, to));
    expect(new Set(rows).size).toBe(nearest.length);
    found.similarities.slice(from, to).forEach((similarity, i) => {
      expect(Math.abs(similarity - nearest[i]!)).toBeLessThan(1e-5);
      expect(Math.abs(similarity - truth[rows[i]!]!)).toBeLessThan(1e-5);
    });
  }
}

describe('exact search', () => {
  it('is exact for any number of candidates and any k', async () => {
    await fc.assert(
      fc.asyncProperty(
        // Below and above 1,024, from where on it looks at blocks of 16.
        fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1000, max: 5000 })),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (rows, share) => isExact(vectors.slice(0, rows), queries, 1 + Math.floor(share ** 3 * (rows - 1))),
      ),
      { numRuns: 25 },
    );
  });

  it('is exact for more queries than one batch holds, and a last batch that is not full', async () => {
    const many = bunchedVectors({ rows: 333, dimension: DIMENSION, seed: 3 });
    for (const k of [1, 40]) await isExact(vectors.slice(0, 1500), many, k);
  });

  it('is exact where the sample of the candidates misleads', async () => {
    const [query] = [queries.slice(0, 1)];
    const rows = Array.from({ length: 4100 }, (_, row) => row);
    const near = rows.toSorted((a, b) => query!.similarity(0, vectors, b) - query!.similarity(0, vectors, a));
    // All that are near in blocks of their own, far ones in between: every block that is sampled or none.
    const apart = rows.map((i) => (i % 64 < 16 ? near[(i >> 6) * 16 + (i % 64)]! : near[4099 - i]!));
    for (const order of [near, near.toReversed(), apart])
      for (const k of [3, 40, 300]) await isExact(vectors.gather(order), query!, k);
  });

  it.each([0, 7, 15])(
    'searches a query again of which too few passed, with %i rows more than blocks',
    async (more) => {
      // The sample takes the first block of every three, and only there are candidates near the first queries.
      const far = vectors.slice(0, 1).data.map((x) => -x);
      const rows = 600 * 3 * 16 + more;
      const data = new Float32Array(rows * DIMENSION);
      for (let row = 0; row < rows; row++)
        data.set((row >> 4) % 3 === 0 && row < 600 * 48 ? vectors.row(row % 5000) : far, row * DIMENSION);
      const candidates = UnitMatrix.adopt(data, DIMENSION);
      const opposite = UnitMatrix.adopt(far, DIMENSION);
      const asked = UnitMatrix.concat([queries.slice(0, 2), opposite], DIMENSION);
      for (const k of [40, 60, 2000]) await isExact(candidates, asked, k);
    },
  );

  it('asks for more where too few passed, though others could fill the gap', () => {
    const shape = { size: 16, count: 64, padding: 0 };
    const passed = { similarities: Float32Array.of(0.9), places: Int32Array.of(0), blocks: Int32Array.of(0) };
    const found = { similarities: new Float32Array(2), rows: new Int32Array(2) };
    expect(keepNearest(passed, shape, 1, 2, found)).toEqual([0]);
  });

  it.each([8, 128, 512])(
    'takes equal similarities by their row, however many are equal, of %i dimensions',
    async (d) => {
      const wide = bunchedVectors({ rows: 4, dimension: d, seed: 1 });
      const same = UnitMatrix.concat(Array<UnitMatrix>(2101).fill(wide.slice(0, 1)), d);
      const engine = await ExactEngine.create({ candidates: same, pool });
      const found = await engine.nearest(wide.slice(1, 4), 50);
      for (let q = 0; q < 3; q++)
        expect([...found.rows.slice(50 * q, 50 * (q + 1))]).toEqual(
          Array.from({ length: 50 }, (_, row) => row),
        );
      await engine.close();
    },
  );
});
