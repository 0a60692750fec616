import { describe, expect, it } from 'vitest';
import {
  choleskyOf,
  covarianceOf,
  emptyMoments,
  mergeMoments,
  momentsOf,
  powerOf,
  productOf,
  UnitMatrix,
} from '../../../src/vectors/index.js';
import { noise } from '../../support/tiny-models.js';

const d = 6;
const sample = UnitMatrix.normalise(noise(40 * d, 5), d);
const close = (a: Float64Array, b: ArrayLike<number>, tolerance = 1e-9) =>
  a.forEach((x, i) => {
    expect(Math.abs(x - b[i]!)).toBeLessThan(tolerance);
  });

describe('moments', () => {
  it('are count, mean and population covariance', () => {
    const moments = momentsOf(sample);
    expect(moments.n).toBe(40);
    const mean = Array.from(
      { length: d },
      (_, i) => [...Array(40).keys()].reduce((sum, row) => sum + sample.row(row)[i]!, 0) / 40,
    );
    close(moments.mean, mean);
    const of01 = [...Array(40).keys()].reduce(
      (sum, row) => sum + ((sample.row(row)[0]! - mean[0]!) * (sample.row(row)[1]! - mean[1]!)) / 40,
      0,
    );
    expect(covarianceOf(moments)[1]).toBeCloseTo(of01, 12);
    expect(covarianceOf(moments)[d]).toBeCloseTo(of01, 12);
  });

  it.each([0, 1, 13, 40])('gathered apart, %i rows and the rest, merge to those of all', (at) => {
    const merged = mergeMoments(momentsOf(sample.slice(0, at)), momentsOf(sample.slice(at, 40)));
    const whole = momentsOf(sample);
    expect(merged.n).toBe(40);
    close(merged.mean, whole.mean);
    close(merged.scatter, whole.scatter);
  });

  it('of a weight of 2 are those of a row that comes twice', () => {
    const twice = momentsOf(UnitMatrix.concat([sample, sample.slice(0, 1)], d));
    const weighted = momentsOf(sample, [2, ...Array(39).fill(1)]);
    close(weighted.mean, twice.mean);
    close(weighted.scatter, twice.scatter);
  });

  it('of vectors of another length do not merge', () => {
    expect(() => mergeMoments(momentsOf(sample), emptyMoments(7))).toThrow(
      expect.objectContaining({ code: 'FB_EMBEDDING_LENGTH' }),
    );
  });
});

describe('functions of a covariance', () => {
  const covariance = covarianceOf(momentsOf(sample));

  it('its square root squares to it, and the inverse root undoes the root', () => {
    const root = powerOf(covariance, 0.5, 0);
    close(productOf(root, root), covariance);
    const identity = productOf(root, powerOf(covariance, -0.5, 1e-12));
    close(
      identity,
      identity.map((_, i) => (i % (d + 1) === 0 ? 1 : 0)),
    );
  });

  it("Cholesky's factor times its transpose is the covariance; an indefinite matrix has none", () => {
    const l = choleskyOf(covariance)!;
    const transposed = l.map((_, i) => l[(i % d) * d + Math.floor(i / d)]!);
    close(productOf(l, transposed), covariance);
    expect(choleskyOf(Float64Array.of(1, 2, 2, 1))).toBeUndefined();
  });
});
