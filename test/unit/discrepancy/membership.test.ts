import { describe, expect, it } from 'vitest';
import { membershipAttack } from '../../../src/discrepancy/index.js';
import { latents } from '../../../src/synthesis/index.js';
import { momentsOf, UnitMatrix } from '../../../src/vectors/index.js';

/** People round one place in d dimensions, others for every `seed`. */
function people(rows: number, d: number, seed: number): UnitMatrix {
  const z = latents(
    Array.from({ length: rows }, (_, i) => seed * 1e6 + i),
    d,
  );
  return UnitMatrix.normalise(
    z.map((x, i) => (i % d === 0 ? 3 : 0) + x / Math.sqrt(d)),
    d,
  );
}

/** How well a member of a sample of n photos is told from a stranger. */
function attack(n: number, d: number, kept: 'mean' | 'mean and covariance'): number {
  const sample = people(n, d, 1);
  return membershipAttack({ moments: momentsOf(sample), mixture: [] }, sample, people(4000, d, 2), kept);
}

describe('membershipAttack', () => {
  it('is a guess where photos are many for the dimensions', () => {
    expect(Math.abs(attack(1000, 4, 'mean and covariance') - 0.5)).toBeLessThan(0.05);
    expect(Math.abs(attack(1000, 4, 'mean') - 0.5)).toBeLessThan(0.05);
  });

  it('succeeds where they are few: aggregates alone hide nobody', () => {
    expect(attack(200, 64, 'mean and covariance')).toBeGreaterThan(0.9);
    expect(attack(200, 64, 'mean')).toBeGreaterThan(0.6);
  });

  it('learns less of each member the more there are, and less of the mean than of the covariance', () => {
    const [few, many] = [attack(200, 32, 'mean and covariance'), attack(2000, 32, 'mean and covariance')];
    expect(many).toBeLessThan(few - 0.05);
    expect(attack(200, 32, 'mean')).toBeLessThan(few);
  });
});
