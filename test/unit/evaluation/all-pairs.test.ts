import { afterAll, describe, expect, it } from 'vitest';
import { bunchedVectors } from '../../../bench/support/bunched-vectors.js';
import {
  equalErrorRate,
  equalErrors,
  IdentityResamples,
  identitiesOf,
  intervalOf,
  operatingPoints,
  rocOf,
  scoreAllPairs,
} from '../../../src/evaluation/index.js';
import { InferencePool } from '../../../src/onnx/index.js';
import { alignScore, type DiscrepancyStats, resolveOperatorSettings } from '../../../src/scoring/index.js';

const pool = new InferencePool({ threads: 1 });
afterAll(() => pool.close());

const n = 300;
const embeddings = bunchedVectors({ rows: n, dimension: 16, seed: 4 });
const labels = Array.from({ length: n }, (_, i) => `person-${Math.floor(i / 3)}`);
const identities = identitiesOf(labels);
const stats: DiscrepancyStats = {
  r: Float64Array.from({ length: n }, (_, i) => 0.9 + 0.05 * Math.sin(i)),
  sigma: Float64Array.from({ length: n }, (_, i) => 0.02 + 0.01 * Math.cos(i)),
  n: new Int32Array(n).fill(16),
};
const none = { settings: resolveOperatorSettings({ operator: 'none' }), stats };
const standardise = { settings: resolveOperatorSettings(), stats };

/** Every pair and its score, straight from the definition. */
function everyPair(alignment: typeof none) {
  const at = (i: number) => ({ r: stats.r[i]!, sigma: stats.sigma[i]!, n: 16 });
  return Array.from({ length: n }, (_, a) =>
    Array.from({ length: n - a - 1 }, (_, j) => {
      const b = a + 1 + j;
      const raw = embeddings.similarity(a, embeddings, b);
      return {
        genuine: labels[a] === labels[b],
        score: alignScore(alignment.settings, raw, at(a), at(b)).aligned,
      };
    }),
  ).flat();
}

describe('scoreAllPairs', () => {
  it.each([
    ['none', none],
    ['standardise', standardise],
  ])('scores every pair once, by %s', async (_, alignment) => {
    const [scored] = await scoreAllPairs(pool, embeddings, identities, [alignment]);
    const pairs = everyPair(alignment);
    const genuine = pairs.filter((p) => p.genuine).map((p) => p.score);
    const impostor = pairs.filter((p) => !p.genuine).map((p) => p.score);
    expect(scored?.impostors).toBe(impostor.length);
    expect(scored?.genuine.scores).toHaveLength(genuine.length);
    genuine.forEach((score, i) => {
      expect(scored?.genuine.scores[i]).toBeCloseTo(score, 4);
    });
    const highest = impostor.sort((a, b) => b - a).slice(0, Math.ceil(0.03 * impostor.length));
    highest.forEach((score, i) => {
      expect(scored?.highest.scores[i]).toBeCloseTo(score, 4);
    });
    expect(scored?.histogram.impostor.reduce((a, b) => a + b)).toBe(impostor.length);
    expect(scored?.histogram.genuine.reduce((a, b) => a + b)).toBe(genuine.length);
  });

  it('gives the same in one pass for several alignments as for each alone', async () => {
    const both = await scoreAllPairs(pool, embeddings, identities, [none, standardise]);
    const alone = await scoreAllPairs(pool, embeddings, identities, [standardise]);
    expect(both[1]).toEqual(alone[0]);
  });

  it('refuses one identity, and photos without a pair', async () => {
    const some = embeddings.slice(0, 3);
    for (const names of [
      ['a', 'a', 'a'],
      ['a', 'b', 'c'],
    ])
      await expect(scoreAllPairs(pool, some, identitiesOf(names), [none])).rejects.toMatchObject({
        code: 'FB_IDENTITIES_TOO_FEW',
      });
  });

  it('refuses labels for another number of photos, and stops when it is told to', async () => {
    await expect(scoreAllPairs(pool, embeddings.slice(0, 9), identities, [none])).rejects.toMatchObject({
      code: 'FB_OPTION_INVALID',
    });
    const signal = AbortSignal.abort();
    await expect(scoreAllPairs(pool, embeddings, identities, [none], { signal })).rejects.toMatchObject({
      code: 'FB_CANCELLED',
    });
  });
});

describe('operatingPoints', () => {
  it('gives the share of genuine pairs above the first impostor that must stay out', async () => {
    const [scored] = await scoreAllPairs(pool, embeddings, identities, [none]);
    const points = operatingPoints(scored!, identities, [1e-2, 1e-3, 1e-4, 1e-6], resamples(200));
    const pairs = everyPair(none);
    const impostor = pairs.filter((p) => !p.genuine).map((p) => p.score);
    const genuine = pairs.filter((p) => p.genuine).map((p) => p.score);
    impostor.sort((a, b) => b - a);
    for (const { far, tar, accepted, threshold, interval } of points.slice(0, 3)) {
      expect(accepted).toBe(Math.floor(far * impostor.length));
      expect(threshold).toBeCloseTo(impostor[accepted]!, 5);
      expect(tar).toBeCloseTo(genuine.filter((s) => s > impostor[accepted]!).length / genuine.length, 2);
      expect(interval![0]).toBeLessThanOrEqual(tar);
      expect(interval![1]).toBeGreaterThanOrEqual(tar);
    }
    // 44,550 impostor pairs cannot show a millionth.
    expect(points[3]).toMatchObject({ accepted: 0, tar: Number.NaN, interval: undefined });
  });

  it('covers the truth by its intervals as often as they say', async () => {
    // Many small collections out of one population: the interval of each should hold the figure of the whole nine times in ten
    // at least, although the collections are small.
    const large = bunchedVectors({ rows: 2400, dimension: 16, seed: 9, cosine: 0.5 });
    // Photo 2i + 1 is photo 2i with noise of its own, more for some people than for others.
    const noise = bunchedVectors({ rows: 2400, dimension: 16, seed: 10, cosine: 0.5 });
    const data = large.data.slice();
    for (let i = 0; i < 2400; i += 2)
      for (let k = 0; k < 16; k++)
        data[(i + 1) * 16 + k] =
          data[i * 16 + k]! + ((0.2 + (i % 7) / 7) * noise.row(i)[k]! - noise.row(0)[k]! * 0.2);
    const { UnitMatrix } = await import('../../../src/vectors/index.js');
    const photos = UnitMatrix.normalise(data, 16);
    const who = Array.from({ length: 2400 }, (_, i) => `p${i >> 1}`);
    const figure = async (begin: number, end: number) => {
      const some = identitiesOf(who.slice(begin, end));
      const [scored] = await scoreAllPairs(pool, photos.slice(begin, end), some, [
        { settings: none.settings, stats },
      ]);
      const [point] = operatingPoints(scored!, some, [1e-2], new IdentityResamples(some.names, 200));
      return point!;
    };
    const whole = await figure(0, 2400);
    let held = 0;
    for (let i = 0; i < 20; i++) {
      const { interval } = await figure(i * 120, (i + 1) * 120);
      if (interval![0] <= whole.tar && whole.tar <= interval![1]) held++;
    }
    expect(held).toBeGreaterThanOrEqual(16);
  });

  it('draws the same people again for another scoring, so that a difference with itself is nothing', async () => {
    const [a] = await scoreAllPairs(pool, embeddings, identities, [none]);
    const first = operatingPoints(a!, identities, [1e-3], resamples(50));
    const second = operatingPoints(a!, identities, [1e-3], resamples(50));
    expect(first[0]?.draws).toEqual(second[0]?.draws);
  });
});

describe('equalErrors', () => {
  it('has an interval like that of weighing every pair in every resample', async () => {
    const some = resamples(80);
    const scored = await scoreAllPairs(pool, embeddings, identities, [standardise]);
    const [error] = await equalErrors(pool, embeddings, identities, [standardise], scored, some);
    const pairs = everyPair(standardise);
    const descending = Uint32Array.from(pairs.keys()).sort((a, b) => pairs[b]!.score - pairs[a]!.score);
    const ends = Array.from({ length: n }, (_, a) =>
      Array.from({ length: n - a - 1 }, (_, j) => [identities.of[a]!, identities.of[a + 1 + j]!] as const),
    ).flat();
    const draws = Float64Array.from({ length: 80 }, (_, draw) => {
      const weights = some.weights(draw);
      const weight = Float64Array.from(
        ends,
        ([a, b], i) => weights[a]! * (pairs[i]!.genuine ? 1 : weights[b]!),
      );
      const whole = [0, 0];
      weight.forEach((w, i) => {
        whole[Number(pairs[i]!.genuine)]! += w;
      });
      const passed = [0, 0];
      for (const i of descending) {
        passed[Number(pairs[i]!.genuine)]! += weight[i]!;
        if (passed[0]! / whole[0]! >= 1 - passed[1]! / whole[1]!) break;
      }
      return passed[0]! / whole[0]!;
    });
    const [low, high] = intervalOf(draws)!;
    const { rate, interval } = error!;
    expect(rate).toBeGreaterThan(low);
    expect(rate).toBeLessThan(high);
    expect(Math.abs(interval![0] - low)).toBeLessThan((high - low) / 6);
    expect(Math.abs(interval![1] - high)).toBeLessThan((high - low) / 6);
  });
});

describe('rocOf and equalErrorRate', () => {
  it('agree with a count of every pair', async () => {
    const [scored] = await scoreAllPairs(pool, embeddings, identities, [standardise]);
    const pairs = everyPair(standardise);
    const rates = (threshold: number) => {
      const above = (genuine: boolean) => {
        const some = pairs.filter((p) => p.genuine === genuine);
        return some.filter((p) => p.score >= threshold).length / some.length;
      };
      return { far: above(false), frr: 1 - above(true) };
    };
    const roc = rocOf(scored!.histogram);
    expect(roc.at(-1)).toMatchObject({ far: 1, tar: 1 });
    for (const point of roc.filter((_, i) => i % 5000 === 17)) {
      expect(rates(point.threshold).far).toBeCloseTo(point.far, 3);
      expect(1 - rates(point.threshold).frr).toBeCloseTo(point.tar, 2);
    }
    const { rate } = equalErrorRate(roc);
    const crossing = roc.find((p) => p.far >= 1 - p.tar)!;
    expect(rate).toBeCloseTo(rates(crossing.threshold).far, 2);
  });
});

const resamples = (count: number) => new IdentityResamples(identities.names, count);
