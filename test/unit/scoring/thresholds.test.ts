import { describe, expect, it } from 'vitest';
import { falseMatchRateOf, thresholdsOf } from '../../../src/scoring/index.js';
import { normal } from '../../support/random-vectors.js';
import { noise } from '../../support/tiny-models.js';

describe('thresholdsOf', () => {
  const scores = Float64Array.from(noise(20_000, 3));

  it.each([
    [1e-2, 200, 164],
    [1e-3, 20, 8],
  ])('of %f is passed by 2.5 standard errors fewer than the %i it allows', (rate, _allowed, passed) => {
    const { threshold } = thresholdsOf(scores.slice()).find((t) => t.falseMatchRate === rate)!;
    expect(scores.filter((score) => score > threshold)).toHaveLength(passed);
  });

  it('is exceeded by chance once in a hundred samples, however few the pairs', () => {
    const draw = normal(11);
    const exceeded = Array.from({ length: 400 }, () => {
      const { threshold } = thresholdsOf(Float64Array.from({ length: 1_500 }, draw))[0]!;
      return threshold < 2.3263; // one in a hundred normal scores is above
    });
    expect(exceeded.filter(Boolean).length / exceeded.length).toBeLessThan(0.015);
  });

  it.each([
    [20_000, [1e-2, 1e-3]],
    [1_000, [1e-2]],
    [999, []],
    [0, []],
  ])('of %i pairs says only what ten pairs stand behind', (count, rates) => {
    expect(thresholdsOf(scores.slice(0, count)).map((t) => t.falseMatchRate)).toEqual(rates);
  });
});

describe('falseMatchRateOf', () => {
  const measured = [
    { falseMatchRate: 1e-2, threshold: 1 },
    { falseMatchRate: 1e-3, threshold: 2 },
    { falseMatchRate: 1e-4, threshold: 4 },
  ];

  it('is the measured rate at a threshold, and falls by the same factor over the same step between two', () => {
    expect(falseMatchRateOf(measured, 2)).toBeCloseTo(1e-3, 12);
    expect(falseMatchRateOf(measured, 1.5)).toBeCloseTo(10 ** -2.5, 12);
    expect(falseMatchRateOf(measured, 3)).toBeCloseTo(10 ** -3.5, 12);
  });

  it('claims nothing beyond what was measured', () => {
    expect(falseMatchRateOf(measured, 99)).toBe(1e-4);
    expect(falseMatchRateOf(measured, -99)).toBe(1e-2);
    expect(falseMatchRateOf([], 1)).toBeUndefined();
  });

  it.each([
    [2.576, 0.005],
    [2.878, 0.002],
    [3.29, 5e-4],
  ])('is near the truth where it is known, and not below it: of normal scores above %f', (z, rate) => {
    const draw = normal(7);
    const told = falseMatchRateOf(thresholdsOf(Float64Array.from({ length: 400_000 }, draw)), z)!;
    expect(told / rate).toBeGreaterThan(0.95);
    expect(told / rate).toBeLessThan(1.4);
  });
});
