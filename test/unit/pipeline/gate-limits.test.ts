import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { changeOfRadius, cloudOf, shiftOfCentre } from '../../../src/pipeline/drift.js';
import {
  driftLimits,
  leastAccuracy,
  leastYield,
  mostDuplicates,
  sharesOf,
} from '../../../src/pipeline/gate-limits.js';
import { cloudAround } from '../../support/random-vectors.js';

const shares = (generated: number, undetected: number, nearDuplicate = 0) =>
  sharesOf({ generated, rejected: { undetected, nearDuplicate } });

/** A mean and, around it, spreads as unequal as those of real embeddings: some directions carry most. */
const mean = Array.from({ length: 64 }, (_, j) => (j === 0 ? 1 : 0));
const unequal = Array.from({ length: 64 }, (_, j) => 0.3 / (1 + j / 4));

describe('driftLimits', () => {
  it.each([
    ['round', mean.map(() => 0.1)],
    ['unequal', unequal],
    ['flat, in one direction', mean.map((_, j) => (j === 1 ? 0.3 : 0))],
  ])('lets 150 draws of a %s cloud pass, small and large ones', (_, spread) => {
    for (let seed = 0; seed < 150; seed++) {
      const [m, n] = seed % 2 ? [60, 200] : [150, 40];
      const before = cloudOf(cloudAround(mean, spread, m, 2 * seed + 1));
      const after = cloudOf(cloudAround(mean, spread, n, 2 * seed + 2));
      const limits = driftLimits(before, n);
      expect(shiftOfCentre(before, after)).toBeLessThan(limits.centre);
      expect(changeOfRadius(before, after)).toBeLessThan(limits.radius);
    }
  });

  it('is near enough to chance to see a tenth of a radius and a tenth of the spread in 5,000', () => {
    const before = cloudOf(cloudAround(mean, unequal, 5000, 1));
    const aside = mean.map((x, j) => (j === 3 ? x + 0.1 : x));
    const narrower = unequal.map((x) => 0.9 * x);
    const [moved, shrunk] = [aside, mean].map((m, i) =>
      cloudOf(cloudAround(m, i === 0 ? unequal : narrower, 5000, 2)),
    );
    const limits = driftLimits(before, 5000);
    expect(shiftOfCentre(before, moved!)).toBeGreaterThan(limits.centre);
    expect(changeOfRadius(before, shrunk!)).toBeGreaterThan(limits.radius);
  });

  it('falls with either size, and to what is let through whatever the size', () => {
    const cloud = cloudOf(cloudAround(mean, unequal, 100, 1));
    const sizes = fc.integer({ min: 1, max: 1e6 });
    fc.assert(
      fc.property(sizes, sizes, sizes, (m, n, more) => {
        const small = driftLimits({ ...cloud, rows: m }, n);
        for (const large of [
          driftLimits({ ...cloud, rows: m + more }, n),
          driftLimits({ ...cloud, rows: m }, n + more),
        ])
          for (const figure of ['centre', 'radius', 'r', 'sigma'] as const)
            expect(large[figure]).toBeLessThan(small[figure]);
      }),
    );
    const endless = driftLimits({ ...cloud, rows: 1e15 }, 1e15);
    expect(endless.centre).toBeCloseTo(0.01, 4);
    expect(endless.radius).toBeCloseTo(0.005, 4);
    expect(endless.r).toBeCloseTo(0.01, 4);
    expect(endless.sigma).toBeCloseTo(0.01, 4);
  });
});

describe('sharesOf', () => {
  it('takes the yield of all seeds and the near-duplicates of the faces found', () => {
    expect(shares(100, 20, 8)).toEqual({ generated: 100, detected: 80, yield: 0.8, duplicates: 0.1 });
  });

  it('stays finite where no face was found', () => {
    expect(shares(100, 100)).toMatchObject({ yield: 0, duplicates: 0 });
  });

  it('takes a count that the manifest lacks for zero', () => {
    expect(sharesOf({ generated: 10, rejected: {} })).toMatchObject({ yield: 1, duplicates: 0 });
  });
});

describe('leastYield', () => {
  it('lets a tenth be lost beside chance, so half of a yield never passes among 400 seeds and more', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 400, max: 1e6 }),
        fc.double({ min: 0.6, max: 1, noNaN: true }),
        (n, y) => {
          const before = shares(n, Math.round(n * (1 - y)));
          const halved = shares(n, n - Math.round(before.detected / 2));
          expect(before.yield).toBeGreaterThanOrEqual(leastYield(before, before));
          expect(halved.yield).toBeLessThan(leastYield(before, halved));
        },
      ),
    );
  });
});

describe('mostDuplicates', () => {
  it('expects more of them among more faces, and lets a few appear where none were', () => {
    const before = shares(1000, 0, 20);
    expect(mostDuplicates(before, shares(4000, 0))).toBeGreaterThan(0.08);
    expect(mostDuplicates(before, before)).toBeLessThan(0.09);
    expect(mostDuplicates(shares(1000, 0), shares(1000, 0))).toBe(0.02);
  });

  it('stays a share above which half of the faces lie', () => {
    const before = shares(1000, 0, 50);
    expect(mostDuplicates(before, shares(1000, 0, 500))).toBeLessThan(0.2);
  });
});

describe('leastAccuracy', () => {
  it('is the old one less the noise of the pairs and two thousandths', () => {
    expect(leastAccuracy(0.95, 0.01)).toBeCloseTo(0.938, 12);
  });
});
