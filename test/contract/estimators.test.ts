import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bunchedVectors } from '../../bench/support/bunched-vectors.js';
import { CohortEstimator, type Estimator, VirtualEstimator } from '../../src/discrepancy/index.js';
import { ExactEngine, SupportSearch } from '../../src/neighbours/index.js';
import { InferencePool } from '../../src/onnx/index.js';

/** What every estimator that looks neighbours up owes its callers. */
const pool = new InferencePool({ threads: 1 });
afterAll(() => pool.close());

const faces = bunchedVectors({ rows: 400, dimension: 32, seed: 5 });
const identities = Array.from({ length: 400 }, (_, row) => `person-${Math.floor(row / 4)}`);
const queries = bunchedVectors({ rows: 300, dimension: 32, seed: 6 });

const estimators: [string, (k: number) => Promise<Estimator>][] = [
  [
    'virtual/1',
    async (k) => {
      const exact = await ExactEngine.create({ candidates: faces, pool });
      const search = new SupportSearch({ engine: exact, exact, identities, samePersonCeiling: 1 });
      return new VirtualEstimator(search, k);
    },
  ],
  ['cohort/1', (k) => CohortEstimator.create({ pool, embeddings: faces, identities, k })],
];

/** r and σ of a query straight from their definition. */
function definition(query: number, k: number, without: readonly string[] = []) {
  const nearest = identities
    .flatMap((label, row) => (without.includes(label) ? [] : [queries.similarity(query, faces, row)]))
    .sort((a, b) => b - a)
    .slice(0, k);
  const r = nearest.reduce((sum, s) => sum + s, 0) / nearest.length;
  return { r, sigma: Math.sqrt(nearest.reduce((sum, s) => sum + (s - r) ** 2, 0) / nearest.length) };
}

describe.each(estimators)('estimator %s', (name, make) => {
  let estimator: Estimator;
  beforeAll(async () => {
    estimator = await make(16);
  });

  it('says its name and K, and gives r, σ and n of every embedding', async () => {
    const estimate = await estimator.estimate(queries);
    expect(estimate).toMatchObject({ estimator: name, k: 16, n: new Int32Array(300).fill(16) });
    for (const query of [0, 255, 256, 299]) {
      expect(estimate.r[query]).toBeCloseTo(definition(query, 16).r, 6);
      expect(estimate.sigma[query]).toBeCloseTo(definition(query, 16).sigma, 6);
    }
  });

  it('leaves out the identities that it is told to, one exclusion for each embedding', async () => {
    const exclude = Array.from({ length: 300 }, (_, i) => ({ identities: [`person-${i % 100}`] }));
    const { r, excluded } = await estimator.estimate(queries, { exclude });
    expect([...excluded]).toEqual(Array(300).fill(4));
    for (const query of [0, 99, 299])
      expect(r[query]).toBeCloseTo(definition(query, 16, [`person-${query % 100}`]).r, 6);
  });

  it('says how many it had where fewer than K are eligible', async () => {
    const exclude = { identities: identities.slice(8) };
    const { n } = await estimator.estimate(queries.slice(0, 1), { exclude });
    expect([...n]).toEqual([8]);
  });

  it('refuses another dimension, and stops when it is told to', async () => {
    const other = bunchedVectors({ rows: 1, dimension: 16, seed: 3 });
    await expect(estimator.estimate(other)).rejects.toMatchObject({ code: 'FB_EMBEDDING_LENGTH' });
    await expect(estimator.estimate(queries, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'FB_CANCELLED',
    });
  });
});

describe('CohortEstimator', () => {
  it('takes a person out of its own look-alikes', async () => {
    const cohort = await CohortEstimator.create({ pool, embeddings: faces, identities, k: 1 });
    const own = await cohort.estimate(faces.slice(0, 4));
    const others = await cohort.estimate(faces.slice(0, 4), { exclude: { identities: ['person-0'] } });
    for (const r of own.r) expect(r).toBeCloseTo(1, 6);
    for (const r of others.r) expect(r).toBeLessThan(0.99);
    expect((await cohort.withK(8).estimate(faces.slice(0, 1))).n[0]).toBe(8);
    await cohort.close();
  });

  it('refuses labels for another number of faces', async () => {
    await expect(
      CohortEstimator.create({ pool, embeddings: faces, identities: ['a'], k: 1 }),
    ).rejects.toMatchObject({ code: 'FB_OPTION_INVALID' });
  });
});
