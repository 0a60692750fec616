import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bunchedVectors } from '../../../bench/support/bunched-vectors.js';
import { VirtualEstimator } from '../../../src/discrepancy/index.js';
import { ExactEngine, SupportSearch } from '../../../src/neighbours/index.js';
import { InferencePool } from '../../../src/onnx/index.js';

const candidates = bunchedVectors({ rows: 600, dimension: 32, seed: 1 });
const embeddings = bunchedVectors({ rows: 550, dimension: 32, seed: 2 });
const identities = Array.from({ length: 600 }, (_, i) => `virtual-${i}`);

const pool = new InferencePool({ threads: 1 });
let support: SupportSearch;
beforeAll(async () => {
  const exact = await ExactEngine.create({ candidates, pool });
  support = new SupportSearch({ engine: exact, exact, identities, samePersonCeiling: 0.97 });
});
afterAll(() => pool.close());

/** r, σ and n in double precision, straight from their definition. */
function definition(row: number, k: number, excluded = -1) {
  const nearest = Array.from({ length: 600 }, (_, c) => ({
    c,
    s: embeddings.similarity(row, candidates, c),
  }))
    .filter(({ c, s }) => c !== excluded && s <= 0.97)
    .map(({ s }) => s)
    .sort((a, b) => b - a)
    .slice(0, k);
  const r = nearest.reduce((sum, s) => sum + s, 0) / nearest.length;
  const sigma = Math.sqrt(nearest.reduce((sum, s) => sum + (s - r) ** 2, 0) / nearest.length);
  return { r, sigma, n: nearest.length };
}

describe('VirtualEstimator', () => {
  it.each([1, 16, 256])('gives mean and deviation over the K = %i nearest foils', async (k) => {
    const estimate = await new VirtualEstimator(support, k).estimate(embeddings);
    expect(estimate).toMatchObject({ estimator: 'virtual/1', k });
    expect(estimate.neighbours).toBeUndefined();
    for (let row = 0; row < embeddings.rows; row++) {
      const truth = definition(row, k);
      expect(estimate.r[row]).toBeCloseTo(truth.r, 6);
      expect(estimate.sigma[row]).toBeCloseTo(truth.sigma, 6);
      expect(estimate.n[row]).toBe(truth.n);
    }
  });

  it('gives for several K at once what each gives alone', async () => {
    const virtual = new VirtualEstimator(support, 16);
    const ks = [64, 1, 16, 700];
    const together = await virtual.estimateSizes(embeddings, ks);
    for (const [i, k] of ks.entries()) {
      const { r, sigma, ...rest } = await new VirtualEstimator(support, k).estimate(embeddings);
      expect(together[i]).toMatchObject(rest);
      // The same numbers, summed in another order.
      r.forEach((mean, row) => void expect(together[i]!.r[row]).toBeCloseTo(mean, 12));
      sigma.forEach((deviation, row) => void expect(together[i]!.sigma[row]).toBeCloseTo(deviation, 7));
    }
  });

  it('has no spread over a single foil', async () => {
    const estimate = await new VirtualEstimator(support, 1).estimate(embeddings.slice(0, 1));
    expect(estimate.sigma[0]).toBe(0);
  });

  it('returns the support sets where they are asked for', async () => {
    const estimate = await new VirtualEstimator(support, 8).estimate(embeddings, { neighbours: true });
    expect(estimate.neighbours).toHaveLength(550);
    const { rows, similarities } = estimate.neighbours![549]!;
    rows.forEach((c, i) => {
      expect(similarities[i]).toBeCloseTo(embeddings.similarity(549, candidates, c), 5);
    });
  });

  it('leaves each embedding its own exclusion, also across chunks', async () => {
    const exclude = Array.from({ length: 550 }, (_, i) => ({ identities: [`virtual-${i}`] }));
    const { r, excluded } = await new VirtualEstimator(support, 16).estimate(embeddings, { exclude });
    expect([...excluded]).toEqual(Array(550).fill(1));
    for (const row of [0, 511, 512, 549]) expect(r[row]).toBeCloseTo(definition(row, 16, row).r, 6);
  });

  it('counts the candidates above the same-person ceiling', async () => {
    const estimate = await new VirtualEstimator(support, 4).estimate(candidates.slice(0, 5));
    for (const count of estimate.aboveCeiling) expect(count).toBeGreaterThanOrEqual(1);
  });

  it('says how many foils it had when the bank has fewer than K', async () => {
    const rows = Array.from({ length: 590 }, (_, i) => i);
    const some = embeddings.slice(0, 1);
    const estimate = await new VirtualEstimator(support, 64).estimate(some, { exclude: { rows } });
    expect(estimate).toMatchObject({ n: Int32Array.of(10), excluded: Int32Array.of(590) });
    const none = await new VirtualEstimator(support, 64).estimate(some, { exclude: { identities } });
    expect(none).toMatchObject({ n: Int32Array.of(0), r: Float64Array.of(NaN), sigma: Float64Array.of(NaN) });
  });

  it('answers no embedding with nothing', async () => {
    expect((await new VirtualEstimator(support, 4).estimate(embeddings.slice(0, 0))).r).toHaveLength(0);
  });

  it('reports progress, and stops when it is told to', async () => {
    const stop = new AbortController();
    const seen: number[] = [];
    const estimate = new VirtualEstimator(support, 4).estimate(embeddings, {
      signal: stop.signal,
      onProgress: (done) => {
        seen.push(done);
        stop.abort();
      },
    });
    await expect(estimate).rejects.toMatchObject({ code: 'FB_CANCELLED' });
    expect(seen).toEqual([512]);
  });

  it('refuses exclusions for another number of embeddings', async () => {
    await expect(
      new VirtualEstimator(support, 4).estimate(embeddings, { exclude: [{}] }),
    ).rejects.toMatchObject({ code: 'FB_OPTION_INVALID' });
  });
});
