import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { latents, threefry2x32 } from '../../../src/synthesis/latent.js';

const range = (n: number, from = 0) => Array.from({ length: n }, (_, i) => from + i);

function moments(values: Float32Array) {
  const n = values.length;
  const mean = values.reduce((a, b) => a + b, 0) / n;
  const central = (p: number) => values.reduce((a, b) => a + (b - mean) ** p, 0) / n;
  return { mean, variance: central(2), skewness: central(3), kurtosis: central(4) };
}

describe('threefry2x32', () => {
  it.each([
    [
      [0, 0],
      [0, 0],
      [0x6b200159, 0x99ba4efe],
    ],
    [
      [0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x1cb996fc, 0xbb002be7],
    ],
    [
      [0x13198a2e, 0x03707344],
      [0x243f6a88, 0x85a308d3],
      [0xc4923a9c, 0x483df7a0],
    ],
  ] as [[number, number], [number, number], [number, number]][])(
    'gives the published known answer for key %o',
    (key, counter, expected) => {
      expect(threefry2x32(key, counter)).toEqual(expected);
    },
  );
});

describe('latents', () => {
  it('are the same bits whatever the batch', () => {
    fc.assert(
      fc.property(
        fc.array(fc.maxSafeNat(), { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 1, max: 130 }),
        (seeds, zDim) => {
          const together = latents(seeds, zDim);
          seeds.forEach((seed, row) => {
            expect(together.subarray(row * zDim, (row + 1) * zDim)).toEqual(latents([seed], zDim));
          });
        },
      ),
      { numRuns: 50 },
    );
  });

  it('have the moments of a standard normal', () => {
    const { mean, variance, skewness, kurtosis } = moments(latents(range(4000), 128));
    // Five standard errors of 512,000 draws.
    expect(Math.abs(mean)).toBeLessThan(5 * Math.sqrt(1 / 512_000));
    expect(Math.abs(variance - 1)).toBeLessThan(5 * Math.sqrt(2 / 512_000));
    expect(Math.abs(skewness)).toBeLessThan(5 * Math.sqrt(15 / 512_000));
    expect(Math.abs(kurtosis - 3)).toBeLessThan(5 * Math.sqrt(96 / 512_000));
  });

  it('are independent between neighbouring seeds and neighbouring positions', () => {
    const zDim = 128;
    const rows = 4000;
    const z = latents(range(rows + 1, 2 ** 32 - 2000), zDim);
    const n = rows * zDim;
    const correlation = (lag: number) => {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += (z[i] as number) * (z[i + lag] as number);
      return sum / n;
    };
    for (const lag of [1, 2, zDim]) expect(Math.abs(correlation(lag))).toBeLessThan(5 / Math.sqrt(n));
  });

  it('differ between seeds that share their low or high 32 bits', () => {
    const [a, b, c] = [latents([7], 4), latents([7 + 2 ** 32], 4), latents([8], 4)];
    expect(a).not.toEqual(b);
    expect(a).not.toEqual(c);
  });

  it.each([-1, 0.5, Number.NaN, 2 ** 53])('refuse the seed %s', (seed) => {
    expect(() => latents([seed], 4)).toThrowError(expect.objectContaining({ code: 'FB_OPTION_INVALID' }));
  });
});
