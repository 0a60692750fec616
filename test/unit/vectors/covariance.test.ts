import { describe, expect, it } from 'vitest';
import {
  choleskyOf,
  covarianceOf,
  emptyMoments,
  factorOf,
  mergeMoments,
  momentsOf,
  powerOf,
  productOf,
  traceOf,
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

  /** B·Bᵀ + t·I. */
  const madeOf = ({ factor, rest }: ReturnType<typeof factorOf>, rank: number) =>
    covariance.map((_, at) => {
      const [i, j] = [Math.floor(at / d), at % d];
      const products = Array.from({ length: rank }, (_, k) => factor[i * rank + k]! * factor[j * rank + k]!);
      return products.reduce((sum, x) => sum + x, i === j ? rest : 0);
    });

  it('of full rank its factor is all of it; of a lower one trace and nearly all that so few directions can tell stay', () => {
    const whole = factorOf(covariance, d);
    close(madeOf(whole, d), covariance);
    expect(whole.rest).toBe(0);
    const eigenvalues = Array.from({ length: d }, (_, j) =>
      [...Array(d).keys()].reduce((sum, i) => sum + whole.factor[i * d + j]! ** 2, 0),
    ).sort((a, b) => b - a);
    for (const rank of [1, 3]) {
      const made = madeOf(factorOf(covariance, rank), rank);
      expect(traceOf(made)).toBeCloseTo(traceOf(covariance), 12);
      const left = eigenvalues.slice(rank);
      const mean = left.reduce((sum, x) => sum + x, 0) / left.length;
      const least = Math.hypot(...left.map((x) => x - mean));
      expect(Math.hypot(...made.map((x, i) => x - covariance[i]!))).toBeLessThan(1.1 * least);
    }
  });

  it('of a matrix of lower rank is all of it, and of nothing nothing', () => {
    const one = Float64Array.from({ length: 9 }, (_, i) => [1, 2, 3][i % 3]! * [1, 2, 3][Math.floor(i / 3)]!);
    const { factor, rest } = factorOf(one, 2);
    expect(rest).toBeCloseTo(0, 9);
    close(
      one.map((_, at) =>
        [0, 1].reduce((sum, k) => sum + factor[2 * Math.floor(at / 3) + k]! * factor[2 * (at % 3) + k]!, 0),
      ),
      one,
    );
    expect(factorOf(new Float64Array(9), 2)).toEqual({ factor: new Float64Array(6), rest: 0 });
  });

  it("Cholesky's factor times its transpose is the covariance; an indefinite matrix has none", () => {
    const l = choleskyOf(covariance)!;
    const transposed = l.map((_, i) => l[(i % d) * d + Math.floor(i / d)]!);
    close(productOf(l, transposed), covariance);
    expect(choleskyOf(Float64Array.of(1, 2, 2, 1))).toBeUndefined();
  });
});
