import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bunchedVectors } from '../../../bench/support/bunched-vectors.js';
import {
  LearnedEstimator,
  type LearnedHead,
  type Lessons,
  learnEstimator,
  VirtualEstimator,
} from '../../../src/discrepancy/index.js';
import {
  answerGraph,
  type Layers,
  stateOf,
  stepFeeds,
  stepGraph,
} from '../../../src/discrepancy/learned-network.js';
import { ExactEngine, SupportSearch } from '../../../src/neighbours/index.js';
import { float32, floatsOf, InferencePool } from '../../../src/onnx/index.js';
import { covarianceOf, momentsOf, UnitMatrix } from '../../../src/vectors/index.js';
import { normal } from '../../support/random-vectors.js';

const d = 32;
const K = 40;
const candidates = bunchedVectors({ rows: 2000, dimension: d, seed: 1 });
const identities = Array.from({ length: 2000 }, (_, i) => `virtual-${i}`);
const strangers = bunchedVectors({ rows: 400, dimension: d, seed: 9 });

const pool = new InferencePool({ threads: 1 });
let bank: VirtualEstimator;
let lessons: Lessons;
let head: LearnedHead;
let estimator: LearnedEstimator;

const normals = () => {
  const next = normal(4);
  return (count: number) => Float32Array.from({ length: count }, next);
};
const learn = (more: Partial<Parameters<typeof learnEstimator>[1]> = {}) =>
  learnEstimator(lessons, { pool, hidden: [128, 32], steps: 600, normals: normals(), ...more });
const open = (graph: Uint8Array, distanceLimit = head.card.distanceLimit) =>
  LearnedEstimator.open({ pool, graph, dimension: d, distanceLimit, bank });

beforeAll(async () => {
  const exact = await ExactEngine.create({ candidates, pool });
  bank = new VirtualEstimator(
    new SupportSearch({ engine: exact, exact, identities, samePersonCeiling: 1 }),
    K,
  );
  const queries = bunchedVectors({ rows: 6000, dimension: d, seed: 2 });
  const moments = momentsOf(queries);
  const mixture = [{ weight: 1, mean: moments.mean, covariance: covarianceOf(moments) }];
  lessons = { queries, ...(await bank.estimate(queries)), mixture };
  head = await learn();
  estimator = await open(head.graph);
});
afterAll(() => pool.close());

/** Root mean square difference, by the spread of the truth. */
function error(found: Float64Array, truth: Float64Array): number {
  const mean = truth.reduce((sum, x) => sum + x, 0) / truth.length;
  const square = (of: (i: number) => number) => truth.reduce((sum, _, i) => sum + of(i) ** 2, 0);
  return Math.sqrt(square((i) => found[i]! - truth[i]!) / square((i) => truth[i]! - mean));
}

describe('a step of learning', () => {
  const sizes = [5, 7, 6, 2];
  const batch = 12;
  const weights = [1, 0.4];
  const next = normal(3);
  const some = (count: number) => Float32Array.from({ length: count }, next);
  const layers: Layers = sizes.slice(1).map((to, i) => ({ weight: some(sizes[i]! * to), bias: some(to) }));
  const x = float32(some(batch * 5), [batch, 5]);
  const t = some(batch * 2);

  it('has the gradient that differences of the loss give, for every parameter', async () => {
    const [step, answer] = [
      await pool.load({ name: 'step', graph: stepGraph(sizes, batch, weights) }),
      await pool.load({ name: 'answer', graph: answerGraph(sizes) }),
    ];
    const state = stateOf(layers);
    const feeds = { x, t: float32(t, [batch, 2]), ...stepFeeds(0, 1), ...state };
    const after = await step.run(feeds);
    const loss = async (changed: typeof state) => {
      const parameters = Object.fromEntries(Object.entries(changed).filter(([name]) => name.startsWith('p')));
      const y = floatsOf(await answer.run({ x, ...parameters }), 'y');
      return y.reduce((sum, value, i) => sum + (weights[i % 2]! * (value - t[i]!)) ** 2, 0) / y.length;
    };
    expect(floatsOf(after, 'loss')[0]).toBeCloseTo(await loss(state), 4);
    let compared = 0;
    for (const [name, tensor] of Object.entries(state).filter(([name]) => name.startsWith('p')))
      for (let i = 0; i < tensor.data.length; i += 3) {
        const at = async (by: number) => {
          const data = (tensor.data as Float32Array).slice();
          data[i]! += by;
          return loss({ ...state, [name]: float32(data, tensor.dims) });
        };
        const width = 2e-3;
        const slope = ((await at(width)) - (await at(-width))) / (2 * width);
        // The first running mean of a gradient is a tenth of it.
        const gradient = 10 * floatsOf(after, `m${name.slice(1)}'`)[i]!;
        expect(Math.abs(gradient - slope), `${name}[${i}]`).toBeLessThan(0.02 + 0.02 * Math.abs(slope));
        compared++;
      }
    expect(compared).toBeGreaterThan(30);
    // At a rate of 0 nothing is learned.
    expect([...floatsOf(after, "p0'")]).toEqual([...layers[0]!.weight]);
    await Promise.all([step.release(), answer.release()]);
  });
});

describe('learnEstimator', () => {
  it('answers queries that it never saw much as the bank does, and says how much', async () => {
    const [found, truth] = [await estimator.estimate(strangers), await bank.estimate(strangers)];
    expect(error(found.r, truth.r)).toBeLessThan(0.4);
    expect(error(found.sigma, truth.sigma)).toBeLessThan(0.9);
    expect(head.card.errorOfR).toBeCloseTo(error(found.r, truth.r), 1);
    expect(head.card).toMatchObject({ hidden: [128, 32], lessons: 6000 });
  });

  it('makes the same network of the same lessons', async () => {
    const short = { steps: 20 };
    const [a, b] = [await learn(short), await learn(short)];
    expect(Buffer.compare(a.graph, b.graph)).toBe(0);
    expect(a.card).toEqual(b.card);
  });

  it('keeps the state with the least error on held-out lessons, and ends where it no longer falls', async () => {
    const seen: number[] = [];
    const noise = normal(8);
    const shuffled = {
      ...lessons,
      r: lessons.r.map(noise),
      sigma: lessons.sigma.map(() => Math.exp(noise())),
    };
    const { card } = await learnEstimator(shuffled, {
      ...{ pool, hidden: [64], steps: 20_000, normals: normals() },
      onProgress: (step) => seen.push(step),
    });
    // Of noise nothing can be learned: what is learned of the lessons is worse on the others.
    expect(card.steps).toBeLessThan(seen.at(-1)!);
    expect(seen.at(-1)!).toBeLessThan(20_000);
    expect(card.errorOfR).toBeGreaterThan(0.9);
  });

  it('stops when it is told to', async () => {
    const stop = new AbortController();
    const learned = learn({ signal: stop.signal, onProgress: () => stop.abort() });
    await expect(learned).rejects.toMatchObject({ code: 'FB_CANCELLED' });
  });

  it('of a bank without any spread fails no more than of others', async () => {
    const one = UnitMatrix.concat(
      Array.from({ length: 600 }, () => candidates.slice(0, 1)),
      d,
    );
    const flat = {
      queries: one,
      r: new Float64Array(600).fill(1),
      sigma: new Float64Array(600),
      mixture: [],
    };
    const { graph } = await learnEstimator(flat, { pool, hidden: [8], steps: 5, normals: normals() });
    const { r, sigma } = await (await open(graph)).estimate(one.slice(0, 3));
    for (const value of r) expect(value).toBeCloseTo(1, 3);
    for (const value of sigma) expect(Number.isFinite(value)).toBe(true);
  });
});

describe('LearnedEstimator', () => {
  it('says its name and K, and that it looked nothing up', async () => {
    const estimate = await estimator.estimate(strangers);
    expect(estimate).toMatchObject({ estimator: 'learned/1', k: K, n: new Int32Array(400).fill(K) });
    expect(estimate.lookedUp!.reduce((sum, x) => sum + x, 0)).toBeLessThanOrEqual(2);
  });

  it('answers each the same alone and among others, however many', async () => {
    const all = await estimator.estimate(strangers);
    for (const [begin, end] of [
      [0, 1],
      [255, 257],
      [100, 400],
    ] as const) {
      const part = await estimator.estimate(strangers.slice(begin, end));
      for (let i = 0; i < end - begin; i++) expect(part.r[i]).toBeCloseTo(all.r[begin + i]!, 5);
    }
    expect((await estimator.estimate(strangers.slice(0, 0))).r).toHaveLength(0);
  });

  const random = normal(5);
  const noise = UnitMatrix.normalise(Float32Array.from({ length: 50 * d }, random), d);
  const outside: [string, UnitMatrix][] = [
    ['noise', noise],
    [
      'one-hot vectors',
      UnitMatrix.normalise(
        Float32Array.from({ length: d * d }, (_, i) => Number(i % (d + 1) === 0)),
        d,
      ),
    ],
    [
      'opposite faces',
      UnitMatrix.normalise(
        strangers.data.map((x) => -x),
        d,
      ),
    ],
    ['faces with their coordinates turned about, as of another embedder', turned(strangers)],
  ];
  it.each(outside)('looks the bank up for %s, and says so', async (_, queries) => {
    const [found, truth] = [await estimator.estimate(queries), await bank.estimate(queries)];
    expect([...found.outside!]).toEqual(Array(queries.rows).fill(1));
    expect(found.lookedUp).toEqual(found.outside);
    expect([found.r, found.sigma, found.n]).toEqual([truth.r, truth.sigma, truth.n]);
  });

  it('looks up only those of a request that need it', async () => {
    const mixed = UnitMatrix.concat([strangers.slice(0, 3), noise.slice(0, 2), strangers.slice(3, 5)], d);
    const [found, truth] = [await estimator.estimate(mixed), await bank.estimate(mixed)];
    expect([...found.lookedUp!]).toEqual([0, 0, 0, 1, 1, 0, 0]);
    expect(found.r[3]).toBe(truth.r[3]);
    expect(found.r[0]).not.toBe(truth.r[0]);
  });

  it('leaves exclusions to the bank, of those embeddings alone that have one', async () => {
    const exclude = [{}, { identities: ['virtual-7'] }, { rows: [3, 4] }];
    const three = strangers.slice(0, 3);
    const [found, truth] = [
      await estimator.estimate(three, { exclude }),
      await bank.estimate(three, { exclude }),
    ];
    expect([...found.lookedUp!]).toEqual([0, 1, 1]);
    expect([...found.outside!]).toEqual([0, 0, 0]);
    expect([...found.excluded]).toEqual([0, 1, 2]);
    expect(found.r[2]).toBe(truth.r[2]);
    await expect(estimator.estimate(three, { exclude: [{}] })).rejects.toMatchObject({
      code: 'FB_OPTION_INVALID',
    });
  });

  it('gives the support sets of the bank beside its own r and σ', async () => {
    const two = strangers.slice(0, 2);
    const found = await estimator.estimate(two, { neighbours: true });
    expect(found.neighbours).toEqual((await bank.estimate(two, { neighbours: true })).neighbours);
    expect(found.r).toEqual((await estimator.estimate(two)).r);
  });

  it('refuses another dimension and stops when it is told to', async () => {
    const other = bunchedVectors({ rows: 1, dimension: 16, seed: 3 });
    await expect(estimator.estimate(other)).rejects.toMatchObject({ code: 'FB_EMBEDDING_LENGTH' });
    await expect(estimator.estimate(strangers, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'FB_CANCELLED',
    });
    expect(() => UnitMatrix.normalise(new Float32Array(d).fill(Number.NaN), d)).toThrow(
      expect.objectContaining({ code: 'FB_EMBEDDING_NOT_FINITE' }),
    );
  });

  it('cannot be opened from a damaged graph', async () => {
    await expect(open(head.graph.slice(0, 1000))).rejects.toMatchObject({ code: 'FB_MODEL_LOAD_FAILED' });
  });
});

/** Coordinates in reverse order. */
function turned(vectors: UnitMatrix): UnitMatrix {
  const rows = Array.from({ length: vectors.rows }, (_, row) => [...vectors.row(row)].reverse());
  return UnitMatrix.normalise(rows.flat(), d);
}
