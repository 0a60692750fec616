import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bunchedVectors } from '../../bench/support/bunched-vectors.js';
import { ExactEngine, HnswEngine, type NeighbourEngine } from '../../src/neighbours/index.js';
import { InferencePool } from '../../src/onnx/index.js';
import { UnitMatrix } from '../../src/vectors/index.js';

/** What every engine owes its callers; each one runs on its real native library, in its real threads. */
const pool = new InferencePool({ threads: 2 });
const single = new InferencePool({ threads: 1 });
afterAll(() => Promise.all([pool.close(), single.close()]));
const copyOf = ({ data, dimension }: UnitMatrix) => UnitMatrix.adopt(data.slice(), dimension);

const engines: [string, (candidates: UnitMatrix) => Promise<NeighbourEngine>][] = [
  ['exact', (candidates) => ExactEngine.create({ candidates, pool })],
  [
    'exact',
    async (candidates) => {
      const given = copyOf(candidates);
      const engine = await ExactEngine.create({ candidates: given, pool: single, giveAway: true });
      // They lie in memory once.
      expect(given.data).toHaveLength(0);
      return engine;
    },
  ],
  ['hnsw', (candidates) => HnswEngine.build({ candidates, connections: 16 })],
];

/** Rows by similarity, most similar first, the lower row first among equals: straight from the definition. */
function ranked(candidates: UnitMatrix, queries: UnitMatrix, query: number): { row: number; s: number }[] {
  return Array.from({ length: candidates.rows }, (_, row) => ({
    row,
    s: queries.similarity(query, candidates, row),
  })).sort((a, b) => b.s - a.s || a.row - b.row);
}

describe.each(engines)('engine %s', (kind, make) => {
  const candidates = bunchedVectors({ rows: 3000, dimension: 32, seed: 1 });
  const queries = bunchedVectors({ rows: 70, dimension: 32, seed: 2 });
  let engine: NeighbourEngine;
  beforeAll(async () => {
    engine = await make(candidates);
  });
  afterAll(() => engine.close());

  it('says what it is and how much it searches', () => {
    expect(engine).toMatchObject({ kind, candidates: 3000, dimension: 32 });
  });

  it.each([1, 16, 64, 256])('finds the %i nearest (hnsw: at least 95 %% of them)', async (k) => {
    const found = await engine.nearest(queries, k);
    expect(found.width).toBe(k);
    let hits = 0;
    for (let q = 0; q < queries.rows; q++) {
      const truth = new Set(
        ranked(candidates, queries, q)
          .slice(0, k)
          .map((c) => c.row),
      );
      for (const row of found.rows.subarray(q * k, (q + 1) * k)) if (truth.has(row)) hits++;
    }
    // A pair of candidates that differ by rounding may change places at the end of the list.
    expect(hits / (queries.rows * k)).toBeGreaterThanOrEqual(kind === 'exact' ? 0.999 : 0.95);
  });

  it('gives the similarity of each row, most similar first', async () => {
    const { rows, similarities, width } = await engine.nearest(queries, 50);
    for (let q = 0; q < queries.rows; q++)
      for (let i = 0; i < width; i++) {
        const at = q * width + i;
        expect(similarities[at]).toBeCloseTo(queries.similarity(q, candidates, rows[at]!), 5);
        if (i > 0) expect(similarities[at]!).toBeLessThanOrEqual(similarities[at - 1]!);
      }
  });

  it('gives the same similarities without the rows, in any order', async () => {
    const { similarities } = await engine.nearest(queries, 40);
    const bare = await engine.nearestSimilarities(queries, 40);
    expect(bare.rows).toHaveLength(0);
    for (let q = 0; q < queries.rows; q++) {
      const [from, to] = [40 * q, 40 * (q + 1)];
      expect(bare.similarities.slice(from, to).sort().reverse()).toEqual(similarities.slice(from, to));
    }
  });

  it('gives each of many overlapping searches its own answer', async () => {
    const ks = [5, 5, 5, 9];
    const alone = await Promise.all(ks.map((k) => engine.nearest(queries.slice(0, 40), k)));
    const singles = Array.from({ length: 40 }, (_, q) =>
      Promise.all(ks.map((k) => engine.nearest(queries.slice(q, q + 1), k))),
    );
    for (const [q, answers] of (await Promise.all(singles)).entries())
      for (const [i, k] of ks.entries())
        expect(answers[i]!.rows).toEqual(alone[i]!.rows.slice(q * k, (q + 1) * k));
  });

  it('gives all candidates where k is larger', async () => {
    const few = await make(candidates.slice(0, 20));
    const found = await few.nearest(queries.slice(0, 2), 1000);
    expect(found.width).toBe(20);
    expect([...found.rows.slice(20)].sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i));
    await few.close();
  });

  it('orders duplicates by their row', async () => {
    const twice = await make(
      UnitMatrix.concat([candidates.slice(0, 30), candidates.slice(0, 30), candidates.slice(0, 30)], 32),
    );
    const found = await twice.nearest(candidates.slice(0, 30), 3);
    for (let q = 0; q < 30; q++) expect([...found.rows.slice(3 * q, 3 * q + 3)]).toEqual([q, q + 30, q + 60]);
    await twice.close();
  });

  it('serves a single candidate', async () => {
    const one = await make(candidates.slice(7, 8));
    expect([...(await one.nearest(candidates.slice(7, 8), 4)).rows]).toEqual([0]);
    await one.close();
  });

  it('answers no query with nothing', async () => {
    const none = await engine.nearest(queries.slice(0, 0), 3);
    expect(none.similarities).toHaveLength(0);
    expect(none.rows).toHaveLength(0);
  });

  it('refuses a query of another dimension, a k below 1, and no candidates', async () => {
    const other = bunchedVectors({ rows: 1, dimension: 16, seed: 3 });
    await expect(engine.nearest(other, 3)).rejects.toMatchObject({ code: 'FB_EMBEDDING_LENGTH' });
    for (const k of [0, -1, 1.5, NaN])
      await expect(engine.nearest(queries, k)).rejects.toMatchObject({ code: 'FB_OPTION_INVALID' });
    await expect(make(candidates.slice(0, 0))).rejects.toMatchObject({ code: 'FB_CANDIDATES_EMPTY' });
  });

  it('leaves the calling thread free while it searches', async () => {
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const many = UnitMatrix.concat(Array<UnitMatrix>(20).fill(queries), 32);
    await engine.nearestSimilarities(many, 1000);
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(5);
  });

  it('refuses to search once closed', async () => {
    const closed = await make(candidates.slice(0, 50));
    await closed.close();
    await expect(closed.nearest(queries, 3)).rejects.toHaveProperty('code');
  });
});

it('candidates are given away to one thread only', async () => {
  const candidates = bunchedVectors({ rows: 10, dimension: 4, seed: 1 });
  await expect(ExactEngine.create({ candidates, pool, giveAway: true })).rejects.toThrow('one thread only');
});
