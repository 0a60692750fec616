import { describe, expect, it } from 'vitest';
import { thresholdsOf } from '../../../src/scoring/index.js';
import { noise } from '../../support/tiny-models.js';

describe('thresholdsOf', () => {
  const scores = Float64Array.from(noise(20_000, 3));

  it('is passed by just the asked share of the impostors', () => {
    for (const { falseMatchRate, threshold } of thresholdsOf(scores.slice())) {
      const passed = scores.filter((score) => score > threshold).length;
      expect(passed / scores.length).toBeLessThanOrEqual(falseMatchRate);
      expect(passed / scores.length).toBeGreaterThan(falseMatchRate * 0.9);
    }
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
