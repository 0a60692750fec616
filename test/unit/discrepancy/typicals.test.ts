import { afterAll, describe, expect, it } from 'vitest';
import { FIRST_DRAWN_SEED } from '../../../src/bank/index.js';
import { CohortEstimator, facesAsked, VirtualEstimator } from '../../../src/discrepancy/index.js';
import { askOwnFaces, typicalsOf } from '../../../src/discrepancy/typicals.js';
import { ExactEngine, SupportSearch } from '../../../src/neighbours/index.js';
import { InferencePool } from '../../../src/onnx/index.js';
import { UnitMatrix } from '../../../src/vectors/index.js';
import { noise } from '../../support/tiny-models.js';
import { someCandidates } from '../bank/fixtures.js';

const d = 8;
const pool = new InferencePool({ threads: 1 });
afterAll(() => pool.close());

const faces = UnitMatrix.normalise(noise(40 * d, 3, 1), d);
const sorted = (row: number, rows: readonly number[]) =>
  rows.map((other) => faces.similarity(row, faces, other)).sort((a, b) => b - a);
const meanOf = (some: readonly number[]) => some.reduce((sum, x) => sum + x, 0) / some.length;
const all = Array.from({ length: faces.rows }, (_, i) => i);

describe('what is typical of a bank', () => {
  it('is told by its own faces, of which none is its own look-alike', async () => {
    const exact = await ExactEngine.create({ candidates: faces, pool });
    const search = new SupportSearch({ engine: exact, exact, samePersonCeiling: 1 });
    const typicals = typicalsOf(await askOwnFaces(search, faces, [4, 8]));
    for (const k of [4, 8]) {
      const nearest = all.map((row) =>
        sorted(
          row,
          all.filter((other) => other !== row),
        ).slice(0, k),
      );
      expect(typicals.get(k)!.r).toBeCloseTo(meanOf(nearest.map(meanOf)), 5);
      const logs = nearest.map((some) => Math.log(meanOf(some.map((x) => (x - meanOf(some)) ** 2))) / 2);
      expect(typicals.get(k)!.sigma).toBeCloseTo(Math.exp(meanOf(logs)), 5);
    }
    const asked = new VirtualEstimator(search, 8, typicals);
    expect((await asked.estimate(faces)).typical).toEqual(typicals.get(8));
    expect((await asked.withK(4).estimate(faces)).typical).toEqual(typicals.get(4));
    expect((await asked.withK(5).estimate(faces)).typical).toBeUndefined();
    await exact.close();
  });

  it('of a cohort is told by its photos, without those of the same person', async () => {
    const identities = all.map((i) => `p${i >> 1}`);
    const cohort = await CohortEstimator.create({ pool, embeddings: faces, identities, k: 1, sizes: [4] });
    const { typical } = await cohort.withK(4).estimate(faces);
    const others = (row: number) => all.filter((other) => identities[other] !== identities[row]);
    expect(typical!.r).toBeCloseTo(meanOf(all.map((row) => meanOf(sorted(row, others(row)).slice(0, 4)))), 5);
    expect((await cohort.withK(3).estimate(faces)).typical).toBeUndefined();
    await cohort.close();
  });

  it('asks at most 2,000 faces, and no draws', () => {
    const table = someCandidates(2100, d, 1);
    expect(facesAsked(table).rows).toBe(2000);
    table.seeds.fill(FIRST_DRAWN_SEED, 30);
    expect(facesAsked(table).rows).toBe(30);
  });
});
