import { afterAll, describe, expect, it } from 'vitest';
import { bunchedVectors } from '../../../bench/support/bunched-vectors.js';
import type { Calibration } from '../../../src/discrepancy/index.js';
import { InferencePool } from '../../../src/onnx/index.js';
import { lessonsOf } from '../../../src/pipeline/lessons.js';
import { emptyMoments, traceOf } from '../../../src/vectors/index.js';

const d = 16;
const pool = new InferencePool({ threads: 1 });
afterAll(() => pool.close());
const candidates = bunchedVectors({ rows: 300, dimension: d, seed: 1 });
/** Faces moved to so many photos, too few for a mixture. */
const of = (n: number): Calibration => ({
  ...{ moments: { ...emptyMoments(d), n }, shrinkage: 0, mixture: [], reason: 'for the test' },
});
const learned = (calibration?: Calibration) =>
  lessonsOf(pool, { candidates, samePersonCeiling: 1, neighbours: 20, calibration }, { count: 600 });
const covarianceOf = async (calibration?: Calibration) => (await learned(calibration)).mixture[0]!.covariance;
const offDiagonal = (covariance: Float64Array) =>
  Math.hypot(...covariance.filter((_, i) => i % (d + 1) !== 0));

describe('lessonsOf', () => {
  it('gives as many as were asked for, with what the bank answers to each', async () => {
    const { queries, r, sigma } = await learned();
    expect([queries.rows, r.length, sigma.length]).toEqual([600, 600, 600]);
    for (const value of r) expect(Math.abs(value)).toBeLessThanOrEqual(1);
    for (const value of sigma) expect(value).toBeGreaterThan(0);
  });

  it('draws people the rounder, the fewer photos say where people lie; as widely all the same', async () => {
    const whole = await covarianceOf();
    const shares = [];
    for (const n of [100_000, 1000, 100, 1]) {
      const covariance = await covarianceOf(of(n));
      expect(traceOf(covariance)).toBeCloseTo(traceOf(whole), 9);
      shares.push(1 - offDiagonal(covariance) / offDiagonal(whole));
    }
    expect(shares[0]).toBeLessThan(0.01);
    expect(shares[1]).toBeGreaterThan(shares[0]!);
    expect(shares[2]).toBeGreaterThan(shares[1]!);
    expect(shares[3]).toBeCloseTo(1, 9);
  });
});
