import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareAccuracy } from '../../../src/pipeline/pair-accuracy.js';
import { normal } from '../../support/random-vectors.js';

/** The area by its definition: over all genuine with all impostor pairs. */
function area(scores: readonly number[], genuine: readonly number[]): number {
  let [sum, count] = [0, 0];
  for (const [i, a] of scores.entries())
    for (const [j, b] of scores.entries())
      if (genuine[i] && !genuine[j]) {
        count++;
        sum += a > b ? 1 : a === b ? 0.5 : 0;
      }
  return sum / count;
}

const compare = (before: readonly number[], after: readonly number[], genuine: readonly number[]) =>
  compareAccuracy(Float64Array.from(before), Float64Array.from(after), Uint8Array.from(genuine));

/** Scores of n pairs, every second one genuine and `apart` deviations higher. */
function scored(n: number, apart: number, seed: number) {
  const next = normal(seed);
  const genuine = Array.from({ length: n }, (_, i) => i % 2);
  return { genuine, scores: genuine.map((same) => next() + apart * same) };
}

describe('compareAccuracy', () => {
  it('gives the chance that a genuine pair scores higher than an impostor pair, ties counting half', async () => {
    const pair = fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 5 }), fc.nat(1));
    await fc.assert(
      fc.asyncProperty(fc.array(pair, { minLength: 2, maxLength: 20 }), async (pairs) => {
        const genuine = [1, 0, ...pairs.map(([, , same]) => same)];
        const [old, now] = [0, 1].map((k) => [3, 3, ...pairs.map((p) => p[k] as number)]) as [
          number[],
          number[],
        ];
        const { before, after } = await compare(old, now, genuine);
        expect(before).toBeCloseTo(area(old, genuine), 12);
        expect(after).toBeCloseTo(area(now, genuine), 12);
      }),
      { numRuns: 10 },
    );
  });

  it('sees no noise between the same scores, or scores on another scale', async () => {
    const { scores, genuine } = scored(100, 1, 1);
    expect((await compare(scores, scores, genuine)).noise).toBe(0);
    const scaled = scores.map((s) => Math.exp(s));
    expect((await compare(scores, scaled, genuine)).noise).toBe(0);
  });

  it('gives a noise that one draw of the pairs in twenty exceeds', async () => {
    let [exceeded, draws] = [0, 30];
    for (let seed = 1; seed <= draws; seed++) {
      const { genuine, scores } = scored(200, 1.5, 2 * seed);
      const jitter = normal(2 * seed + 1);
      // Equally accurate on the whole: both add noise of one size to the same scores.
      const [old, now] = [scores, scores].map((s) => s.map((x) => x + 0.3 * jitter())) as [
        number[],
        number[],
      ];
      const { before, after, noise } = await compare(old, now, genuine);
      if (Math.abs(after - before) > noise) exceeded++;
    }
    expect(exceeded / draws).toBeLessThan(0.2);
  });

  it('tells a real loss from noise', async () => {
    const { genuine, scores } = scored(1000, 2, 5);
    const jitter = normal(6);
    const worse = scores.map((s) => s + 1.5 * jitter());
    const { before, after, noise } = await compare(scores, worse, genuine);
    expect(before - after).toBeGreaterThan(3 * noise);
  });

  it('gives the same figures for the same scores', async () => {
    const { genuine, scores } = scored(60, 1, 9);
    const other = scored(60, 1, 10).scores;
    expect(await compare(scores, other, genuine)).toEqual(await compare(scores, other, genuine));
  });

  it('stops when it is cancelled', async () => {
    const { genuine, scores } = scored(10, 1, 1);
    const [values, labels] = [Float64Array.from(scores), Uint8Array.from(genuine)];
    await expect(compareAccuracy(values, values, labels, AbortSignal.abort())).rejects.toMatchObject({
      code: 'FB_CANCELLED',
    });
  });
});
