import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  alignScore,
  alignScores,
  type Discrepancy,
  discrepancyAt,
  OPERATORS,
  type OperatorName,
  resolveOperatorSettings,
  SIGMA_FLOOR,
  typicalOf,
} from '../../../src/scoring/index.js';

/** On a grid finer than float32's: no subnormal and no −0, which no dot product of unit vectors turns on. */
const similarity = fc.integer({ min: -1e8, max: 1e8 }).map((n) => n / 1e8);
const discrepancy: fc.Arbitrary<Discrepancy> = fc.record({
  r: similarity,
  sigma: fc.double({ min: 1e-3, max: 0.5, noNaN: true }),
  n: fc.integer({ min: 1, max: 1024 }),
});
const settings = fc
  .record({
    operator: fc.constantFrom(...OPERATORS),
    lambda: fc.double({ min: 0, max: 4, noNaN: true }),
  })
  .map(resolveOperatorSettings);
const typicalFace = fc.record({ r: similarity, sigma: fc.double({ min: 1e-3, max: 0.5, noNaN: true }) });
const shift = resolveOperatorSettings({ operator: 'shift', lambda: 1 });
const standardise = resolveOperatorSettings({ operator: 'standardise' });
const moved = (d: Discrepancy, by: number): Discrepancy => ({ ...d, r: d.r + by });

describe('every operator', () => {
  it('is symmetric in the two faces', () => {
    fc.assert(
      fc.property(settings, similarity, discrepancy, discrepancy, typicalFace, (o, s, a, b, t) => {
        expect(alignScore(o, s, a, b, t)).toEqual(alignScore(o, s, b, a, t));
      }),
    );
  });

  it('grows with the similarity', () => {
    fc.assert(
      fc.property(
        settings,
        similarity,
        similarity,
        discrepancy,
        discrepancy,
        typicalFace,
        (o, s, t, a, b, y) => {
          fc.pre(s - t > 1e-9);
          expect(alignScore(o, s, a, b, y).aligned).toBeGreaterThan(alignScore(o, t, a, b, y).aligned);
        },
      ),
    );
  });

  it('reports the raw similarity beside the aligned one, and its name and version', () => {
    fc.assert(
      fc.property(settings, similarity, discrepancy, discrepancy, typicalFace, (o, s, a, b, t) => {
        const score = alignScore(o, s, a, b, t);
        expect(score.raw).toBe(s);
        expect(score.operator).toBe(`${o.operator}/1`);
      }),
    );
  });

  it('gives many pairs what it gives each one', () => {
    const pair = fc.tuple(similarity, fc.nat(3), fc.nat(3));
    const rows = fc.array(discrepancy, { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(
        settings,
        fc.array(pair, { maxLength: 9 }),
        rows,
        typicalFace,
        (o, pairs, rowsOfStats, typical) => {
          const stats = {
            r: Float64Array.from(rowsOfStats, (d) => d.r),
            sigma: Float64Array.from(rowsOfStats, (d) => d.sigma),
            n: Int32Array.from(rowsOfStats, (d) => d.n),
            typical,
          };
          const columns = {
            raw: pairs.map((p) => p[0]),
            left: pairs.map((p) => p[1]),
            right: pairs.map((p) => p[2]),
          };
          expect([...alignScores(o, columns, stats)]).toEqual(
            pairs.map(
              ([s, a, b]) =>
                alignScore(o, s, discrepancyAt(stats, a), discrepancyAt(stats, b), typical).aligned,
            ),
          );
        },
      ),
    );
  });
});

describe('none', () => {
  it('is the raw similarity, whatever the neighbourhood, even with none', () => {
    const none = resolveOperatorSettings({ operator: 'none' });
    const empty = { r: NaN, sigma: NaN, n: 0 };
    expect(alignScore(none, 0.25, empty, empty)).toEqual({ raw: 0.25, aligned: 0.25, operator: 'none/1' });
  });
});

describe('shift', () => {
  it('lowers the similarity of faces with close look-alikes', () => {
    const score = alignScore(shift, 0.8, { r: 0.6, sigma: 0.1, n: 9 }, { r: 0.4, sigma: 0.1, n: 9 });
    expect(score.aligned).toBeCloseTo(0.3, 12);
    expect(score.lambda).toBe(1);
  });

  it('is unchanged at λ = 1 when s, r(a) and r(b) move together', () => {
    fc.assert(
      fc.property(similarity, discrepancy, discrepancy, similarity, (s, a, b, c) => {
        const before = alignScore(shift, s, a, b).aligned;
        expect(alignScore(shift, s + c, moved(a, c), moved(b, c)).aligned).toBeCloseTo(before, 9);
      }),
    );
  });

  it('orders pairs at λ = 1 as CSLS does', () => {
    const csls = (s: number, a: Discrepancy, b: Discrepancy) => 2 * s - a.r - b.r;
    fc.assert(
      fc.property(
        fc.tuple(similarity, discrepancy, discrepancy),
        fc.tuple(similarity, discrepancy, discrepancy),
        (p, q) => {
          const difference = csls(...p) - csls(...q);
          fc.pre(Math.abs(difference) > 1e-9);
          const aligned = alignScore(shift, ...p).aligned - alignScore(shift, ...q).aligned;
          expect(Math.sign(aligned)).toBe(Math.sign(difference));
        },
      ),
    );
  });

  it('is the raw similarity at λ = 0', () => {
    const off = resolveOperatorSettings({ operator: 'shift', lambda: 0 });
    fc.assert(
      fc.property(similarity, discrepancy, discrepancy, (s, a, b) => {
        expect(alignScore(off, s, a, b).aligned).toBe(s);
      }),
    );
  });
});

describe('standardise', () => {
  it('counts standard deviations above the look-alikes, averaged over both faces', () => {
    const score = alignScore(standardise, 0.8, { r: 0.6, sigma: 0.1, n: 9 }, { r: 0.4, sigma: 0.2, n: 9 });
    expect(score.aligned).toBeCloseTo((2 + 2) / 2, 12);
  });

  it('is unchanged when every similarity is moved or stretched alike', () => {
    const scale = fc.double({ min: 0.5, max: 10, noNaN: true });
    fc.assert(
      fc.property(similarity, discrepancy, discrepancy, similarity, scale, (s, a, b, c, k) => {
        const before = alignScore(standardise, s, a, b).aligned;
        const stretched = (d: Discrepancy) => ({ r: k * d.r + c, sigma: k * d.sigma, n: d.n });
        const after = alignScore(standardise, k * s + c, stretched(a), stretched(b)).aligned;
        expect(Math.abs(after - before)).toBeLessThan(1e-9 * (1 + Math.abs(before)));
      }),
    );
  });

  it('stays finite as σ → 0 and says that the floor was used', () => {
    fc.assert(
      fc.property(
        similarity,
        discrepancy,
        discrepancy,
        fc.integer({ min: 0, max: 1000 }).map((n) => n / 1e8),
        (s, a, b, sigma) => {
          const score = alignScore(standardise, s, { ...a, sigma }, b);
          expect(score.sigmaFloored).toBe(true);
          expect(score).toEqual(alignScore(standardise, s, { ...a, sigma: 0 }, b));
          expect(Math.abs(score.aligned)).toBeLessThanOrEqual(2 / SIGMA_FLOOR);
          expect(alignScore(standardise, s, a, b).sigmaFloored).toBe(false);
        },
      ),
    );
  });

  it('refuses to align by an empty support set', () => {
    const empty = { r: NaN, sigma: NaN, n: 0 };
    const full = { r: 0.5, sigma: 0.1, n: 3 };
    expect(() => alignScore(standardise, 0.5, empty, full)).toThrow('no eligible candidate');
    const stats = { r: Float64Array.of(NaN), sigma: Float64Array.of(NaN), n: Int32Array.of(0) };
    expect(() => alignScores(shift, { raw: [0.5], left: [0], right: [0] }, stats)).toThrow('shift/1');
  });
});

describe('fuse', () => {
  const fuse = resolveOperatorSettings({ operator: 'fuse' });
  const typical = { r: 0.6, sigma: 0.02 };
  const like = (d: Partial<Discrepancy>): Discrepancy => ({ ...typical, n: 9, ...d });

  it('counts typical standard deviations above a typical r for faces that are typical', () => {
    expect(alignScore(fuse, 0.66, like({}), like({}), typical).aligned).toBeCloseTo(3, 12);
    expect(alignScore(fuse, 0.54, like({}), like({}), typical).aligned).toBeCloseTo(-3, 12);
  });

  it('is what standardise gives where both parts are high, whatever is typical', () => {
    const [a, b] = [like({ r: 0.7, sigma: 0.04 }), like({ r: 0.62 })];
    const { aligned } = alignScore(standardise, 0.8, a, b);
    for (const r of [0.3, 0.79])
      expect(alignScore(fuse, 0.8, a, b, { r, sigma: 0.5 }).aligned).toBeCloseTo(aligned, 12);
  });

  it('is six tenths raw where both are low, and between them where they disagree', () => {
    const [a, b] = [like({ r: 0.7 }), like({ r: 0.74 })];
    const [u, z] = [(0.5 - 0.6) / 0.02, (0.5 - 0.72) / 0.02];
    expect(alignScore(fuse, 0.5, a, b, typical).aligned).toBeCloseTo(0.6 * u + 0.4 * z, 12);
    // Two faces that nobody is like, and a raw similarity below what is typical.
    const far = like({ r: 0.5 });
    expect(alignScore(fuse, 0.55, far, far, typical).aligned).toBeCloseTo(2.5 + 0.6 * -2.5, 12);
    const close = like({ r: 0.7 });
    expect(alignScore(fuse, 0.65, close, close, typical).aligned).toBeCloseTo(0.4 * -2.5, 12);
  });

  it('does not jump where the raw or the standardised part turns positive', () => {
    fc.assert(
      fc.property(discrepancy, discrepancy, typicalFace, (a, b, t) => {
        const [weightA, weightB] = [1 / a.sigma, 1 / b.sigma];
        const zero = (a.r * weightA + b.r * weightB) / (weightA + weightB);
        for (const knee of [t.r, zero]) {
          const at = (s: number) => alignScore(fuse, s, a, b, t).aligned;
          // Slopes are 1 / 0.001 at most, of both parts together twice that.
          expect(Math.abs(at(knee + 1e-9) - at(knee - 1e-9))).toBeLessThan(1e-5);
        }
      }),
    );
  });

  it('is unchanged when every similarity is moved or stretched alike', () => {
    const scale = fc.double({ min: 0.5, max: 10, noNaN: true });
    fc.assert(
      fc.property(
        similarity,
        discrepancy,
        discrepancy,
        typicalFace,
        similarity,
        scale,
        (s, a, b, t, c, k) => {
          const before = alignScore(fuse, s, a, b, t).aligned;
          const stretched = <T extends { r: number; sigma: number }>(d: T): T => ({
            ...{ ...d, r: k * d.r + c, sigma: k * d.sigma },
          });
          const after = alignScore(fuse, k * s + c, stretched(a), stretched(b), stretched(t)).aligned;
          expect(Math.abs(after - before)).toBeLessThan(1e-9 * (1 + Math.abs(before)));
        },
      ),
    );
  });

  it('refuses to go by nothing, and says what has it', () => {
    expect(() => alignScore(fuse, 0.5, like({}), like({}))).toThrow('no typical r and σ');
    const stats = { r: Float64Array.of(0.5), sigma: Float64Array.of(0.1), n: Int32Array.of(3) };
    expect(() => alignScores(fuse, { raw: [0.5], left: [0], right: [0] }, stats)).toThrow('fuse/1');
  });
});

describe('typicalOf', () => {
  it('is the mean of r and the geometric mean of σ, of embeddings that have a support set', () => {
    const stats = {
      r: Float64Array.of(0.5, 0.7, Number.NaN),
      sigma: Float64Array.of(0.01, 0.04, Number.NaN),
      n: Int32Array.of(3, 2, 0),
    };
    expect(typicalOf(stats)!.r).toBeCloseTo(0.6, 12);
    expect(typicalOf(stats)!.sigma).toBeCloseTo(0.02, 12);
  });

  it('is nothing where none has', () => {
    const stats = { r: Float64Array.of(Number.NaN), sigma: Float64Array.of(Number.NaN), n: Int32Array.of(0) };
    expect(typicalOf(stats)).toBeUndefined();
  });
});

describe('resolveOperatorSettings', () => {
  it('standardises by default, with λ = 1 for shift', () => {
    expect(resolveOperatorSettings()).toEqual({ operator: 'standardise', lambda: 1 });
    expect(Object.isFrozen(resolveOperatorSettings())).toBe(true);
  });

  it.each([
    { lambda: -0.1 },
    { lambda: 4.1 },
    { lambda: NaN },
    { operator: 'csls' as OperatorName },
    { operator: 'toString' as OperatorName },
  ])('refuses %o', (options) => {
    expect(() => resolveOperatorSettings(options)).toThrow('is not');
  });
});
