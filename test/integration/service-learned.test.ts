import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { publishBank } from '../../src/bank/index.js';
import { errorDetailOf } from '../../src/client.js';
import { InferencePool } from '../../src/onnx/index.js';
import { learnBank, openSupport } from '../../src/pipeline/index.js';
import { UnitMatrix } from '../../src/vectors/index.js';
import { type Bench, crowd, packedRows, publishCrowd, queries, startService } from '../support/service.js';
import { draftOf } from '../unit/bank/fixtures.js';

const K = 16;
const pool = new InferencePool({ threads: 1 });
const faces = queries(5);
/** Faces, and their opposites, which nothing was learned of. */
const some = UnitMatrix.concat(
  [
    faces,
    UnitMatrix.normalise(
      faces.data.map((x) => -x),
      faces.dimension,
    ),
  ],
  8,
);
let bench: Bench;
beforeAll(async () => {
  bench = await startService(
    async (store) => {
      const draft = draftOf(crowd(600, 1));
      const parameters = { ...draft.parameters, operator: 'standardise/1', neighbours: K };
      await publishBank(store, 'default', { ...draft, parameters });
      await learnBank({ pool, store, bank: 'default', lessons: 1000, steps: 100 });
      await publishCrowd(store, 'unlearned', 2);
    },
    { env: { FOILBANK_BANKS: 'default,unlearned' } },
  );
});
afterAll(async () => {
  await bench.close();
  await pool.close();
});

const codeOf = (reply: Promise<unknown>) =>
  reply.then(
    () => 'answered',
    (error: unknown) => errorDetailOf(error)?.code,
  );

describe('the estimator learned of a service', () => {
  it('is offered by banks that have learned, and by no others', async () => {
    const { banks } = await bench.client.support.listBanks({});
    expect(banks.map(({ name, estimators }) => [name, estimators])).toEqual([
      ['default', ['virtual', 'learned']],
      ['unlearned', ['virtual']],
    ]);
  });

  it('answers as the library does, beside lookups of the same moment, and says where it looked the bank up', async () => {
    const support = await openSupport(pool, bench.store, 'default', { estimator: 'learned' });
    const [expected, truth] = [await support.estimator.estimate(some), await support.virtual.estimate(some)];
    await support.close();
    const ask = (estimator: string) =>
      bench.client.support.estimateDiscrepancy({ lookup: { estimator }, embeddings: packedRows(some) });
    const [learned, virtual] = await Promise.all([ask('learned'), ask('virtual')]);
    expect(learned.source).toMatchObject({ estimator: 'learned/1', k: K, version: '000002' });
    expect(virtual.source?.estimator).toBe('virtual/1');
    learned.discrepancies.forEach(({ r, sigma, n, lookedUp }, i) => {
      expect(r).toBeCloseTo(expected.r[i]!, 5);
      expect(sigma).toBeCloseTo(expected.sigma[i]!, 5);
      expect([n, lookedUp]).toEqual([K, i >= 5]);
    });
    expect(virtual.discrepancies.map(({ r, lookedUp }) => [r, lookedUp])).toEqual(
      [...truth.r].map((r) => [r, false]),
    );
  });

  it('aligns scores and leaves support sets to the bank', async () => {
    const [a, b] = packedRows(faces);
    const pairs = { case: 'pairs' as const, value: { pairs: [{ a: a!, b: b! }] } };
    const aligned = await bench.client.support.alignScores({
      lookup: { estimator: 'learned' },
      comparisons: pairs,
    });
    expect(aligned.source?.estimator).toBe('learned/1');
    const [score, left, right] = [aligned.scores[0]!, aligned.left[0]!, aligned.right[0]!];
    const half = (side: typeof left) => (score.raw - side.r) / side.sigma / 2;
    expect(score.aligned).toBeCloseTo(half(left) + half(right), 6);
    const found = await bench.client.support.findNeighbors({
      ...{ lookup: { estimator: 'learned' }, embeddings: [a!] },
    });
    const looked = await bench.client.support.findNeighbors({ embeddings: [a!] });
    expect(found.supportSets[0]!.neighbors).toEqual(looked.supportSets[0]!.neighbors);
    expect(found.supportSets[0]!.discrepancy!.r).toBeCloseTo(left.r, 5);
  });

  it('is refused for another K, where nothing was learned, and by another name', async () => {
    const { support } = bench.client;
    const embeddings = packedRows(faces);
    const refused = (lookup: object) => codeOf(support.estimateDiscrepancy({ lookup, embeddings }));
    expect(await refused({ estimator: 'learned', k: 8 })).toBe('FB_LEARNED_ABSENT');
    expect(await refused({ estimator: 'learned', bank: 'unlearned' })).toBe('FB_LEARNED_ABSENT');
    expect(await refused({ estimator: 'guessed' })).toBe('FB_OPTION_INVALID');
  });
});
