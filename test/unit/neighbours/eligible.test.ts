import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bunchedVectors } from '../../../bench/support/bunched-vectors.js';
import {
  ExactEngine,
  type Exclusion,
  HnswEngine,
  type NeighbourEngine,
  SupportSearch,
} from '../../../src/neighbours/index.js';
import { InferencePool } from '../../../src/onnx/index.js';
import { UnitMatrix } from '../../../src/vectors/index.js';

const ROWS = 400;
const DIMENSION = 16;
/** Two hundred identities of two candidates each; every tenth candidate is there twice, under two identities. */
const distinct = bunchedVectors({ rows: ROWS, dimension: DIMENSION, seed: 1, cosine: 0.6 });
const candidates = distinct.gather(Array.from({ length: ROWS }, (_, i) => (i % 10 === 9 ? i - 9 : i)));
const identities = Array.from({ length: ROWS }, (_, i) => `person-${i >> 1}`);
const queries = bunchedVectors({ rows: 30, dimension: DIMENSION, seed: 2, cosine: 0.6 });

const pool = new InferencePool({ threads: 1 });
let exact: ExactEngine;
beforeAll(async () => {
  exact = await ExactEngine.create({ candidates, pool });
});
afterAll(() => pool.close());

const engines: [string, () => Promise<NeighbourEngine>][] = [
  ['exact', async () => exact],
  ['hnsw', () => HnswEngine.build({ candidates, connections: 16 })],
  // So sparse a graph that it misses most neighbours: the rule must hold all the same.
  [
    'a poor hnsw',
    () => HnswEngine.build({ candidates, connections: 2, efConstruction: 1, ef: 1, efPerNeighbour: 1 }),
  ],
];

function isExcluded(row: number, { identities: labels = [], rows = [] }: Exclusion): boolean {
  return labels.includes(identities[row]!) || rows.includes(row);
}

/** The support set straight from its definition. */
function definition(query: number, k: number, exclusion: Exclusion, ceiling: number) {
  const all = Array.from({ length: ROWS }, (_, row) => ({
    row,
    s: queries.similarity(query, candidates, row),
  }));
  const others = all.filter(({ row }) => !isExcluded(row, exclusion));
  const eligible = others.filter(({ s }) => s <= ceiling).sort((a, b) => b.s - a.s || a.row - b.row);
  return { eligible, set: eligible.slice(0, k), aboveCeiling: others.length - eligible.length };
}

const manyOrFew = <T>(items: readonly T[]) =>
  fc.oneof(
    fc.subarray([...items], { maxLength: 3 }),
    fc.subarray([...items]),
    fc.subarray([...items], { minLength: items.length - 3 }),
  );
const exclusion: fc.Arbitrary<Exclusion> = fc.record(
  { identities: manyOrFew([...new Set(identities)]), rows: manyOrFew([...identities.keys()]) },
  { requiredKeys: [] },
);
const ceiling = fc.oneof(fc.constant(1), fc.double({ min: -0.2, max: 1, noNaN: true }));
const k = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 2 * ROWS }));

describe.each(engines)('the inter-class rule on %s', (_, make) => {
  let engine: NeighbourEngine;
  beforeAll(async () => {
    engine = await make();
  });
  afterAll(() => (engine === exact ? undefined : engine.close()));

  it('never returns an ineligible candidate, and returns K whenever K are eligible', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(queries.rows - 1),
        k,
        exclusion,
        ceiling,
        async (query, k, exclude, samePersonCeiling) => {
          const search = new SupportSearch({ engine, exact, identities, samePersonCeiling });
          const [found] = await search.find(queries.slice(query, query + 1), { k, exclude });
          const { eligible, aboveCeiling } = definition(query, k, exclude, samePersonCeiling);
          const rows = [...found!.rows];
          expect(rows.filter((row) => isExcluded(row, exclude))).toEqual([]);
          for (const s of found!.similarities) expect(s).toBeLessThanOrEqual(samePersonCeiling + 1e-6);
          expect(rows).toHaveLength(Math.min(k, eligible.length));
          expect(new Set(rows).size).toBe(rows.length);
          expect(found!.complete).toBe(rows.length === k);
          expect([...found!.similarities].every((s, i, all) => i === 0 || s <= all[i - 1]!)).toBe(true);
          if (!found!.complete) expect(found!.searched).toEqual({ engine: 'exact', width: ROWS });
          if (found!.searched.engine === 'exact') expect(found!.keptOut.aboveCeiling).toBe(aboveCeiling);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('applies each exclusion to its own query', async () => {
    const search = new SupportSearch({ engine, exact, identities, samePersonCeiling: 0.95 });
    await fc.assert(
      fc.asyncProperty(fc.array(exclusion, { minLength: 30, maxLength: 30 }), async (exclude) => {
        const together = await search.find(queries, { k: 12, exclude });
        for (const [q, set] of together.entries()) {
          expect([...set.rows].filter((row) => isExcluded(row, exclude[q]!))).toEqual([]);
          expect(set.rows).toHaveLength(Math.min(12, definition(q, 12, exclude[q]!, 0.95).eligible.length));
        }
      }),
      { numRuns: 10 },
    );
  });

  it('says so when every candidate lies above the ceiling', async () => {
    const search = new SupportSearch({ engine, exact, identities, samePersonCeiling: -0.99 });
    const sets = await search.find(queries, { k: 5, exclude: { rows: [3, 4] } });
    for (const set of sets)
      expect(set).toMatchObject({
        rows: new Int32Array(0),
        complete: false,
        keptOut: { excluded: 2, aboveCeiling: ROWS - 2 },
        searched: { engine: 'exact', width: ROWS },
      });
  });

  it('keeps a candidate and its duplicates out of its own support set', async () => {
    const search = new SupportSearch({ engine, exact, identities, samePersonCeiling: 0.999 });
    const sets = await search.find(candidates, { k: 3 });
    for (const [row, set] of sets.entries()) {
      expect(set.complete).toBe(true);
      for (const other of set.rows)
        expect(candidates.similarity(row, candidates, other)).toBeLessThan(0.9991);
    }
  });
});

describe('the inter-class rule, exactly', () => {
  it('returns the very set of the definition', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(queries.rows - 1),
        k,
        exclusion,
        ceiling,
        async (query, k, exclude, samePersonCeiling) => {
          const search = new SupportSearch({ engine: exact, exact, identities, samePersonCeiling });
          const [found] = await search.find(queries.slice(query, query + 1), { k, exclude });
          const { set } = definition(query, k, exclude, samePersonCeiling);
          set.forEach(({ s }, i) => {
            expect(found!.similarities[i]).toBeCloseTo(s, 5);
          });
          // Equal up to candidates whose similarities differ by less than float32 resolves.
          const strays = set.filter(({ row }) => !found!.rows.includes(row));
          for (const { s } of strays) expect(s).toBeCloseTo(set.at(-1)!.s, 5);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('puts the lower row first among equals', async () => {
    const same = UnitMatrix.concat(Array<UnitMatrix>(50).fill(candidates.slice(0, 1)), DIMENSION);
    const engine = await ExactEngine.create({ candidates: same, pool });
    const search = new SupportSearch({ engine, exact: engine, samePersonCeiling: 1 });
    const [found] = await search.find(queries.slice(0, 1), { k: 4, exclude: { rows: [1, 2] } });
    expect([...found!.rows]).toEqual([0, 3, 4, 5]);
    await engine.close();
  });

  it('gives the same similarities without the rows', async () => {
    const search = new SupportSearch({ engine: exact, exact, identities, samePersonCeiling: 0.9 });
    const exclude =
      queries.rows > 2 ? Array.from({ length: 30 }, (_, q) => ({ rows: q % 2 ? [q] : [] })) : [];
    const whole = await search.find(queries, { k: 20, exclude });
    const bare = await search.find(queries, { k: 20, exclude, similaritiesOnly: true });
    expect(bare.map((s) => [s.similarities, s.keptOut, s.complete])).toEqual(
      whole.map((s) => [s.similarities, s.keptOut, s.complete]),
    );
    expect(bare.every((s) => s.rows.length === 0)).toBe(true);
  });

  it('gives queries that are searched in several groups what it gives each one', async () => {
    const search = new SupportSearch({ engine: exact, exact, identities, samePersonCeiling: 0.95 });
    const copies = 100;
    const many = UnitMatrix.concat(Array<UnitMatrix>(copies).fill(queries), DIMENSION);
    const alone = await search.find(queries, { k: ROWS - 40, exclude: { rows: [5] } });
    const together = await search.find(many, { k: ROWS - 40, exclude: { rows: [5] } });
    expect(together).toHaveLength(copies * queries.rows);
    for (const q of [0, 29, 1500, 2999]) expect(together[q]!.rows).toEqual(alone[q % queries.rows]!.rows);
  });

  it('excludes nobody by an unknown label', async () => {
    const search = new SupportSearch({ engine: exact, exact, identities, samePersonCeiling: 1 });
    const [found] = await search.find(queries.slice(0, 1), { k: 4, exclude: { identities: ['nobody'] } });
    expect(found!.keptOut.excluded).toBe(0);
  });
});

describe('a support set larger than an index is good for', () => {
  it('is found by exact search', async () => {
    const engine = await HnswEngine.build({ candidates, connections: 16 });
    const search = new SupportSearch({ engine, exact, exactAbove: 20, samePersonCeiling: 1 });
    const [few, many] = await Promise.all([20, 21].map((k) => search.find(queries, { k })));
    expect(new Set(few!.map(({ searched }) => searched.engine))).toEqual(new Set(['hnsw']));
    expect(new Set(many!.map(({ searched }) => searched.engine))).toEqual(new Set(['exact']));
    await engine.close();
  });
});

describe('what SupportSearch refuses', () => {
  const code = { code: 'FB_OPTION_INVALID' };
  it('a ceiling that is not a similarity', () => {
    for (const samePersonCeiling of [-1, 1.01, NaN])
      expect(() => new SupportSearch({ engine: exact, exact, samePersonCeiling })).toThrow(
        'samePersonCeiling',
      );
  });

  it('labels of another number of candidates', () => {
    expect(
      () => new SupportSearch({ engine: exact, exact, samePersonCeiling: 1, identities: ['a'] }),
    ).toThrow('identities.length');
  });

  it('an exact engine of other candidates', async () => {
    const other = await ExactEngine.create({ candidates: candidates.slice(0, 9), pool });
    expect(() => new SupportSearch({ engine: exact, exact: other, samePersonCeiling: 1 })).toThrow('exact');
    await other.close();
  });

  it('a k below 1, rows that do not exist, exclusions for another number of queries', async () => {
    const search = new SupportSearch({ engine: exact, exact, samePersonCeiling: 1 });
    await expect(search.find(queries, { k: 0 })).rejects.toMatchObject(code);
    await expect(search.find(queries, { k: 1, exclude: { rows: [ROWS] } })).rejects.toMatchObject(code);
    await expect(search.find(queries, { k: 1, exclude: [{}] })).rejects.toMatchObject(code);
  });
});
