import { describe, expect, it } from 'vitest';
import { evenRows, pairSimilarities, sampleOf, spreadOf } from '../../../src/service/histogram.js';
import { OnceCache } from '../../../src/service/once-cache.js';
import { UnitMatrix } from '../../../src/vectors/index.js';
import { noise } from '../../support/tiny-models.js';

describe('spreadOf', () => {
  it('counts every finite value once, in bins of one width', () => {
    const values = Float64Array.from({ length: 1000 }, (_, i) => i / 999);
    const { from, to, counts, mean, deviation } = spreadOf(values, 10);
    expect([from, to]).toEqual([0, 1]);
    expect([...counts]).toEqual(new Array(10).fill(100));
    expect(mean).toBeCloseTo(0.5, 12);
    expect(deviation).toBeCloseTo(Math.sqrt((1000 ** 2 - 1) / 12) / 999, 12);
  });

  it('puts a value where its bin begins, and the largest into the last', () => {
    expect([...spreadOf([0, 0.49, 0.5, 1], 2).counts]).toEqual([2, 2]);
  });

  it('leaves out what is no number: r of a candidate without foils', () => {
    expect([...spreadOf([Number.NaN, 1, 2, Number.POSITIVE_INFINITY], 2).counts]).toEqual([1, 1]);
  });

  it('of one value is one bin, of none is none', () => {
    expect(spreadOf([0.25, 0.25])).toMatchObject({ from: 0.25, to: 0.25, mean: 0.25, deviation: 0 });
    expect([...spreadOf([0.25, 0.25]).counts]).toEqual([2]);
    expect(spreadOf([Number.NaN])).toEqual({
      ...{ from: 0, to: 0, counts: new Uint32Array(0), mean: 0, deviation: 0 },
    });
  });
});

it('evenRows takes all rows of few, and spreads over many', () => {
  expect(evenRows(3, 2000)).toEqual([0, 1, 2]);
  expect(evenRows(10, 4)).toEqual([0, 2, 5, 7]);
  expect(new Set(evenRows(100_000, 2000)).size).toBe(2000);
});

it('a sample is everybody of few, and fewer the more there are, but never a handful', () => {
  expect([1, 300, 2000, 20_000, 40_000, 100_000, 2_000_000].map(sampleOf)).toEqual([
    ...[1, 300, 2000, 2000, 1000, 500, 500],
  ]);
});

it('pairSimilarities are those of every pair, once', () => {
  const matrix = UnitMatrix.normalise(noise(5 * 7, 3), 7);
  const expected: number[] = [];
  for (let a = 0; a < 5; a++)
    for (let b = a + 1; b < 5; b++) expected.push(Math.fround(matrix.similarity(a, matrix, b)));
  pairSimilarities(matrix.data, 7).forEach((s, i) => {
    expect(s).toBeCloseTo(expected[i]!, 6);
  });
});

describe('OnceCache', () => {
  const cacheOf = (maxSize: number) => {
    const made: string[] = [];
    const cache = new OnceCache<Buffer>({ maxSize, sizeOf: (value) => value.length });
    const get = (key: string, size = 10) =>
      cache.get(key, async () => {
        made.push(key);
        await new Promise((resolve) => setTimeout(resolve, 5));
        return Buffer.alloc(size);
      });
    return { cache, get, made };
  };

  it('makes a value once, however many ask at the same time', async () => {
    const { get, made } = cacheOf(100);
    const [a, b] = await Promise.all([get('x'), get('x'), get('y')]);
    expect(b).toBe(a);
    expect(await get('x')).toBe(a);
    expect(made).toEqual(['x', 'y']);
  });

  it('lets go what was used least lately, and never holds more than its size', async () => {
    const { cache, get, made } = cacheOf(30);
    for (const key of ['a', 'b', 'c', 'a', 'd']) await get(key);
    expect(cache.size).toBe(30);
    await get('a');
    await get('b');
    expect(made).toEqual(['a', 'b', 'c', 'd', 'b']);
  });

  it('gives a value that is too large without keeping it', async () => {
    const { cache, get, made } = cacheOf(30);
    expect((await get('big', 31)).length).toBe(31);
    await get('big', 31);
    expect(made).toEqual(['big', 'big']);
    expect(cache.size).toBe(0);
  });

  it('does not keep a failure', async () => {
    const { cache } = cacheOf(30);
    await expect(cache.get('x', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect((await cache.get('x', async () => Buffer.alloc(1))).length).toBe(1);
  });
});
