import { afterAll, describe, expect, it } from 'vitest';
import { CohortEstimator, type DiscrepancyEstimate } from '../../../src/discrepancy/index.js';
import {
  alignmentsOf,
  IdentityResamples,
  identitiesOf,
  operatingPoints,
  partOfPeople,
  scoreAllPairs,
  sizesToTry,
  tuneAlignment,
  wordsOf,
} from '../../../src/evaluation/index.js';
import { InferencePool } from '../../../src/onnx/index.js';
import { crowd } from '../../support/crowd.js';

const pool = new InferencePool({ threads: 1 });
afterAll(() => pool.close());

/** Some people are like everybody, others like nobody. */
const uneven = crowd({ people: 240, photos: 3, dimension: 24, seed: 5, commonness: 1.2 });
const identities = identitiesOf(uneven.labels);

/** r and σ over the photos of all other people. */
async function others(k: number): Promise<DiscrepancyEstimate> {
  const { embeddings, labels } = uneven;
  const cohort = await CohortEstimator.create({ pool, embeddings, identities: labels, k });
  const exclude = labels.map((label) => ({ identities: [label] }));
  const estimate = await cohort.estimate(embeddings, { exclude });
  await cohort.close();
  return estimate;
}

/** r and σ that have nothing to do with the photos. */
const meaningless = (k: number): DiscrepancyEstimate => ({
  ...{ estimator: 'virtual/1', k, n: new Int32Array(720).fill(k) },
  r: Float64Array.from({ length: 720 }, (_, i) => 0.3 + 0.2 * Math.sin(1.7 * i * k)),
  sigma: Float64Array.from({ length: 720 }, (_, i) => 0.05 + 0.02 * Math.cos(2.3 * i * k)),
  ...{ excluded: new Int32Array(720), aboveCeiling: new Int32Array(720) },
});

describe('tuneAlignment', () => {
  it('finds the operator where alignment helps, and what it gains on people who did not choose', async () => {
    const tuning = await tuneAlignment(pool, uneven.embeddings, identities, [
      await others(16),
      await others(64),
    ]);
    expect(tuning.reason).toMatch(/points over raw at FAR 1e-3, by people who had no part in the choice/);
    expect(tuning).toMatchObject({ better: true, far: 1e-3, people: 240, photos: 720 });
    expect(tuning.chosen.operator).not.toBe('none');
    const { raw, aligned, gain, interval } = tuning.gains.find(({ far }) => far === 1e-3)!;
    expect(gain).toBeCloseTo(aligned - raw, 12);
    expect(interval![0]).toBeGreaterThan(0);
    expect(gain).toBeGreaterThan(0.05);
    expect(tuning.choices).toHaveLength(10);
  });

  it('recommends none where r says nothing, although by chance some K looks best to those who choose', async () => {
    const estimates = Array.from({ length: 8 }, (_, i) => meaningless(16 + i));
    const tuning = await tuneAlignment(pool, uneven.embeddings, identities, estimates, { splits: 3 });
    expect(tuning.better).toBe(false);
    expect(tuning.reason).toMatch(/no alignment/);
    const at = tuning.gains.find(({ far }) => far === tuning.far)!;
    expect(at.interval![0]).toBeLessThanOrEqual(0);
    // The best of 41 looks no worse than raw to its own choosers, always.
    const tars = tuning.tried.map(({ tar }) => tar);
    expect(Math.max(...tars)).toBeGreaterThanOrEqual(tars[0]!);
  });

  it('does not recommend what loses at a larger false accept rate what it wins at the asked one', async () => {
    const good = await others(32);
    // σ of the gentle people falls apart: the strictest impostors go, and genuine pairs with them.
    const tuning = await tuneAlignment(pool, uneven.embeddings, identities, [good], { far: 1e-3, splits: 2 });
    for (const { far, interval } of tuning.gains.filter(({ far }) => far > 1e-3))
      if (tuning.better) expect(interval![1], `FAR ${far}`).toBeGreaterThanOrEqual(0);
  });

  it('judges by labelled pairs alone where they are given', async () => {
    const left = Uint32Array.from({ length: 2000 }, (_, i) => (i < 480 ? 3 * (i >> 1) : (7 * i) % 720));
    const right = left.map((a, i) => (i < 480 ? a + 1 + (i & 1) : (a + 3 + 11 * (i % 60)) % 720));
    const genuine = Uint8Array.from(left, (a, i) => Number(identities.of[a] === identities.of[right[i]!]));
    const pairs = { left, right, genuine };
    const tuning = await tuneAlignment(pool, uneven.embeddings, identities, [await others(16)], { pairs });
    expect(tuning.far).toBe(1e-2);
    expect(tuning.gains.map(({ far }) => far)).toEqual([1e-2]);
    expect(tuning.reason).toMatch(/only \d impostor pairs of a half decide/);
    const everywhere = await tuneAlignment(pool, uneven.embeddings, identities, [await others(16)], {
      far: 1e-2,
    });
    expect(tuning.tried[0]!.tar).not.toBe(everywhere.tried[0]!.tar);
  });

  it.each([
    ['a rate that half of the people cannot show', uneven.labels, { far: 1e-7 }, 'FB_FAR_TOO_SMALL'],
    ['one identity', uneven.labels.map(() => 'one'), {}, 'FB_IDENTITIES_TOO_FEW'],
    [
      'few people with two photos',
      uneven.labels.map((l, i) => (i < 30 ? l : `${i}`)),
      {},
      'FB_TUNING_TOO_FEW',
    ],
  ])('refuses %s', async (_, labels, options, code) => {
    const tuning = tuneAlignment(pool, uneven.embeddings, identitiesOf(labels), [meaningless(16)], options);
    await expect(tuning).rejects.toMatchObject({ code });
  });
});

describe('wordsOf', () => {
  it('says what was learned, and nothing where it was looked up', () => {
    const shift = { operator: 'shift', lambda: 0.5, k: 64 } as const;
    expect(wordsOf({ ...shift, estimator: 'virtual/1' })).toBe('shift, K 64, λ 0.5');
    expect(wordsOf({ ...shift, operator: 'standardise', estimator: 'learned/1' })).toBe(
      'standardise, K 64, learned',
    );
  });
});

describe('partOfPeople', () => {
  it('has the figures of the photos of these people alone', async () => {
    const inside = Uint8Array.from(identities.names, (_, i) => Number(i % 3 === 0));
    const rows = Uint32Array.from(identities.of.keys()).filter((i) => inside[identities.of[i]!] === 1);
    const [raw] = alignmentsOf(720, []);
    const [scored] = await scoreAllPairs(pool, uneven.embeddings, identities, [raw!], { highest: 0.1 });
    const part = partOfPeople({ scored: scored!, identities }, inside);
    const alone = identitiesOf(Array.from(rows, (row) => uneven.labels[row]!));
    const [few] = await scoreAllPairs(
      pool,
      uneven.embeddings.gather(rows),
      alone,
      alignmentsOf(rows.length, []),
    );
    expect(part.scored.impostors).toBe(alone.impostor);
    const figures = (one: typeof scored, who: typeof alone) =>
      operatingPoints(one!, who, [1e-2, 1e-3], new IdentityResamples(who.names, 60));
    const [expected, actual] = [figures(few, alone), figures(part.scored, part.identities)];
    expect(actual.map(({ tar }) => tar)).toEqual(expected.map(({ tar }) => tar));
    // The same people weigh the same in every resample, whoever else is in the collection.
    actual.forEach(({ draws }, at) => {
      draws.forEach((tar, draw) => {
        expect(tar).toBeCloseTo(expected[at]!.draws[draw]!, 12);
      });
    });
  });
});

describe('sizesToTry', () => {
  it('are powers of two up to a tenth of the bank, and its own', () => {
    expect(sizesToTry(40_000, 1000)).toEqual([16, 32, 64, 128, 256, 512, 1000, 1024]);
    expect(sizesToTry(2000, 40)).toEqual([16, 32, 40, 64, 128]);
    expect(sizesToTry(10, 10)).toEqual([10]);
  });
});
