import { afterAll, describe, expect, it } from 'vitest';
import { CohortEstimator } from '../../../src/discrepancy/index.js';
import { balancedTrials } from '../../../src/evaluation/balanced-trials.js';
import {
  alignmentsOf,
  contradictions,
  evaluateCollection,
  evaluateSplits,
  flipsBetween,
  foldAccuracy,
  gainOf,
  groupSpreads,
  IdentityResamples,
  identify,
  identitiesOf,
  identityOfPhoto,
  parseGroups,
  parseLabels,
  type SplitRow,
  scoreAllPairs,
} from '../../../src/evaluation/index.js';
import { InferencePool } from '../../../src/onnx/index.js';
import { UnitMatrix } from '../../../src/vectors/index.js';
import { crowd } from '../../support/crowd.js';

const pool = new InferencePool({ threads: 1 });
afterAll(() => pool.close());

const { embeddings, labels } = crowd({ people: 150, photos: 2, dimension: 16, seed: 1 });
const identities = identitiesOf(labels);
const [raw] = alignmentsOf(embeddings.rows, []);

describe('identityOfPhoto', () => {
  it.each([
    ['Ann_Veneman_0003.jpg', 'Ann_Veneman'],
    ['photos/ann-3.png', 'ann'],
    ['photos/ann 12.webp', 'ann'],
    ['photos/ann/12.webp', 'ann'],
    ['photos/Abdel_Aziz_Al-Hakim_0001.jpg', 'Abdel_Aziz_Al-Hakim'],
    ['photos/7.jpg', '7'],
  ])('of %s is %s', (path, identity) => {
    expect(identityOfPhoto(path, 'photos')).toBe(identity);
  });
});

describe('foldAccuracy', () => {
  const genuine = Uint8Array.from({ length: 400 }, (_, i) => Number(i < 200));

  it('is 1 where a threshold parts the kinds, and one half where scores say nothing', () => {
    expect(foldAccuracy(Float64Array.from(genuine), genuine)).toMatchObject({ accuracy: 1, error: 0 });
    const nothing = foldAccuracy(new Float64Array(400).fill(0.5), genuine);
    expect(nothing.accuracy).toBe(0.5);
  });

  it('judges each tenth by the threshold of the other nine', () => {
    // Only the first tenth lies elsewhere: the threshold of the others is wrong for all of its impostors.
    const scores = Float64Array.from(genuine, (kind, i) => (kind ? 0.9 : i - 200 < 20 ? 0.95 : 0.1));
    const { folds, accuracy } = foldAccuracy(scores, genuine);
    expect(folds[0]).toBe(0.5);
    expect(folds.slice(1)).toEqual(Array(9).fill(1));
    expect(accuracy).toBeCloseTo(0.95, 12);
  });
});

describe('identify', () => {
  it('finds everybody where photos of a person are alike, and lets in strangers as the threshold says', async () => {
    const { embeddings: clear, labels: who } = crowd({
      people: 150,
      photos: 2,
      dimension: 16,
      seed: 2,
      noise: 0.01,
    });
    const [points] = await identify(pool, clear, identitiesOf(who), [raw!], { thresholds: [-2] });
    expect(points?.map(({ gallery }) => gallery)).toEqual([50, 75]);
    for (const { rank1, fpir, tpir } of points!) expect([rank1, fpir, tpir]).toEqual([1, 1, 1]);
    const [none] = await identify(pool, clear, identitiesOf(who), [raw!], { thresholds: [2] });
    for (const { fpir, tpir } of none!) expect([fpir, tpir]).toEqual([0, 0]);
  });

  it('mistakes more strangers and finds fewer people the larger the gallery is', async () => {
    const { embeddings: hard, labels: who } = crowd({ people: 800, photos: 2, dimension: 16, seed: 3 });
    const [points] = await identify(pool, hard, identitiesOf(who), [raw!], { thresholds: [0.8] });
    expect(points?.map(({ gallery }) => gallery)).toEqual([50, 100, 200, 400]);
    for (const [i, point] of points!.entries()) {
      expect(point.probes).toEqual({ enrolled: point.gallery, strangers: expect.any(Number) });
      if (i > 0) expect(point.fpir).toBeGreaterThanOrEqual(points![i - 1]!.fpir);
    }
    expect(points!.at(-1)!.rank1).toBeLessThan(points![0]!.rank1);
  });
});

describe('groupSpreads', () => {
  it('counts the false matches inside each group at one threshold', async () => {
    const groups = labels.map((_, i) => (i < 160 ? 'even' : i < 280 ? 'odd' : undefined));
    const threshold = 0.5;
    const [spread] = await groupSpreads(pool, embeddings, identities, groups, [raw!], [threshold]);
    const expected = (begin: number, end: number) => {
      let [pairs, matches] = [0, 0];
      for (let a = begin; a < end; a++)
        for (let b = a + 1; b < end; b++) {
          if (labels[a] === labels[b]) continue;
          pairs++;
          if (embeddings.similarity(a, embeddings, b) > threshold) matches++;
        }
      return { impostors: pairs, fmr: matches / pairs };
    };
    expect(spread?.groups).toMatchObject([
      { group: 'even', photos: 160, ...expected(0, 160) },
      { group: 'odd', photos: 120, ...expected(160, 280) },
    ]);
    expect(spread!.worstByBest).toBeGreaterThanOrEqual(1);
  });
});

describe('flipsBetween', () => {
  it('names the pairs that are decided otherwise, of each of four kinds', async () => {
    const estimate = await leaveOut(8);
    const alignments = alignmentsOf(embeddings.rows, [estimate], ['shift']);
    const [before, after] = await scoreAllPairs(pool, embeddings, identities, alignments);
    const thresholds = { raw: before!.highest.scores[20]!, aligned: after!.highest.scores[20]! };
    const { found, lost, refused, admitted } = flipsBetween(before!, after!, thresholds);
    for (const flip of found)
      expect(flip.raw <= thresholds.raw && flip.aligned > thresholds.aligned).toBe(true);
    for (const flip of lost)
      expect(flip.raw > thresholds.raw && flip.aligned <= thresholds.aligned).toBe(true);
    for (const flip of refused)
      expect(flip.raw > thresholds.raw && !(flip.aligned > thresholds.aligned)).toBe(true);
    for (const flip of admitted)
      expect(flip.aligned > thresholds.aligned && !(flip.raw > thresholds.raw)).toBe(true);
    // As many impostors pass before as after.
    expect(refused).toHaveLength(admitted.length);
    expect(refused.length).toBeGreaterThan(0);
  });
});

describe('evaluateCollection', () => {
  it('gives every figure of every alignment, raw first', async () => {
    const alignments = alignmentsOf(embeddings.rows, [await leaveOut(16)]);
    const resamples = new IdentityResamples(identities.names, 50);
    const left = Uint32Array.from({ length: 140 }, (_, i) => 2 * i);
    const right = left.map((a, i) => (i < 70 ? a + 1 : (a + 7) % 300));
    const pairs = { left, right, genuine: Uint8Array.from(left, (_, i) => Number(i < 70)) };
    const { results, warnings } = await evaluateCollection(pool, embeddings, identities, {
      ...{ alignments, resamples, pairs, threshold: 1e-3 },
      groups: labels.map((_, i) => (i < 150 ? 'a' : 'b')),
    });
    expect(results.map(({ settings, estimator, k }) => [settings.operator, estimator, k])).toEqual([
      ['none', undefined, undefined],
      ['shift', 'cohort/1', 16],
      ['standardise', 'cohort/1', 16],
    ]);
    for (const { points, folds, identification, groups, equalError } of results) {
      expect(points.map(({ far }) => far)).toEqual([1e-2, 1e-3, 1e-4, 1e-5, 1e-6]);
      expect(folds!.accuracy).toBeGreaterThan(0.6);
      expect(identification).toHaveLength(2);
      expect(groups!.groups).toHaveLength(2);
      expect(equalError.rate).toBeGreaterThan(equalError.interval![0]);
      expect(equalError.rate).toBeLessThan(equalError.interval![1]);
      expect(equalError.interval![1]).toBeLessThan(0.5);
    }
    expect(warnings).toEqual([
      'FAR 1e-5 and 1e-6: 44700 impostor pairs show none below 2.2e-5',
      'FAR 1e-4: fewer than 10 of 44700 impostor pairs decide the figure',
    ]);
  });

  it('refuses thresholds that no impostor pair can show, with the smallest that can', async () => {
    const resamples = new IdentityResamples(identities.names, 2);
    await expect(
      evaluateCollection(pool, embeddings, identities, { alignments: [raw!], resamples, threshold: 1e-6 }),
    ).rejects.toMatchObject({ code: 'FB_FAR_TOO_SMALL', details: { smallest: '2.2e-5' } });
  });
});

describe('evaluateSplits', () => {
  it('never tests a person that estimators were made from, and gives means with intervals', async () => {
    const seen: string[][] = [];
    const rows = await evaluateSplits(
      pool,
      { embeddings, labels },
      async (half) => {
        seen.push([...half.labels]);
        const cohort = await CohortEstimator.create({
          ...{ pool, embeddings: half.embeddings, identities: half.labels, k: 8 },
        });
        const estimate: CohortEstimator['estimate'] = (tested, options) => {
          const both = UnitMatrix.concat([half.embeddings, tested], 16);
          const side = Array.from({ length: both.rows }, (_, row) =>
            row < half.embeddings.rows ? 'made from' : 'tested',
          );
          expect(both.rows).toBe(300);
          expect(contradictions(both, side)).toEqual([]);
          return cohort.estimate(tested, options);
        };
        return { estimators: [{ name: 'cohort/1', k: 8, estimate }], close: () => cohort.close() };
      },
      { splits: 3, resamples: 50 },
    );
    expect(seen.map((half) => new Set(half).size)).toEqual([75, 75, 75]);
    expect(new Set(seen.map((half) => half.join())).size).toBe(3);
    expect(rows.map(({ operator, k }) => [operator, k])).toEqual([
      ['none', undefined],
      ['shift', 8],
      ['standardise', 8],
    ]);
    for (const { points, accuracies } of rows) {
      expect(accuracies).toHaveLength(3);
      for (const accuracy of accuracies) expect(accuracy).toBeGreaterThan(0.8);
      const { tar, each, interval } = points[1]!;
      expect(each).toHaveLength(3);
      expect(tar).toBeCloseTo(each.reduce((sum, x) => sum + x, 0) / 3, 12);
      expect(interval![0]).toBeLessThanOrEqual(interval![1]);
    }
  });
});

describe('balancedTrials', () => {
  it('are as many pairs of two people as of one, each of one only once', () => {
    const of = identitiesOf(['a', 'b', 'a', 'c', 'a', 'b', 'b', 'd']);
    for (const most of [3, 100]) {
      const { left, right, genuine } = balancedTrials(of, most, 1);
      const count = Math.min(most, of.genuine);
      expect([...genuine]).toEqual([...Array(count).fill(1), ...Array(count).fill(0)]);
      genuine.forEach((kind, i) => {
        expect(of.of[left[i]!] === of.of[right[i]!]).toBe(kind === 1);
      });
      const own = Array.from({ length: count }, (_, i) => [left[i]!, right[i]!].sort().join());
      expect(new Set(own).size).toBe(count);
    }
    expect(balancedTrials(of, 3, 1)).toEqual(balancedTrials(of, 3, 1));
  });
});

describe('gainOf', () => {
  it('is 0 for raw, 1 for the reference, and has the interval of its draws', () => {
    const row = (tar: number): SplitRow => ({
      ...{ operator: 'none', estimator: undefined, k: undefined, accuracies: [] },
      points: [
        {
          far: 1e-3,
          tar,
          interval: undefined,
          each: [tar],
          draws: Float64Array.from({ length: 40 }, (_, i) => tar * (1 + i / 40)),
        },
      ],
    });
    expect(gainOf(row(0.5), row(0.5), row(0.9), 0).g).toBe(0);
    expect(gainOf(row(0.9), row(0.5), row(0.9), 0)).toEqual({ g: 1, interval: [1, 1] });
    expect(gainOf(row(0.7), row(0.5), row(0.9), 0).g).toBeCloseTo(0.5, 12);
  });
});

describe('labels', () => {
  it('are one a line, as many as embeddings', () => {
    expect(parseLabels('a\nb c\r\na\n', 3, 'x')).toEqual(['a', 'b c', 'a']);
    for (const text of ['a\nb', 'a\n\nb', 'a\nb\nc\nd'])
      expect(() => parseLabels(text, 3, 'x')).toThrow(expect.objectContaining({ code: 'FB_LABELS_INVALID' }));
  });

  it('of groups name photos or people, each once', () => {
    expect(parseGroups('name,group\nann,f\n"b, c",m\n\nann,f', 'x').get('ann')).toBe('f');
    expect(() => parseGroups('ann,f\nann,m', 'x')).toThrow(
      expect.objectContaining({ code: 'FB_LABELS_CONTRADICT' }),
    );
    expect(() => parseGroups('ann', 'x')).toThrow(expect.objectContaining({ code: 'FB_LABELS_INVALID' }));
  });

  it('contradict where one photo is said to show two people', () => {
    const twice = UnitMatrix.concat([embeddings.slice(0, 3), embeddings.slice(0, 1)], 16);
    expect(contradictions(twice, ['a', 'a', 'b', 'c'])).toEqual([{ first: 0, second: 3 }]);
    expect(contradictions(twice, ['a', 'a', 'b', 'a'])).toEqual([]);
  });
});

/** r and σ of every photo from the photos of the other people. */
async function leaveOut(k: number) {
  const cohort = await CohortEstimator.create({ pool, embeddings, identities: labels, k });
  const estimate = await cohort.estimate(embeddings, {
    exclude: labels.map((label) => ({ identities: [label] })),
  });
  await cohort.close();
  return estimate;
}
