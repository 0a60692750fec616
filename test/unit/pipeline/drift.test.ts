import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { changeOfRadius, cloudOf, shiftOfCentre, shiftOfDiscrepancies } from '../../../src/pipeline/drift.js';
import { UnitMatrix } from '../../../src/vectors/index.js';
import { cloudAround } from '../../support/random-vectors.js';

const d = 8;
const mean = [1, 0, 0, 0, 0, 0, 0, 0];
const round = (spread: number) => new Array<number>(d).fill(spread);
const clouds = fc
  .tuple(fc.integer(), fc.integer({ min: 2, max: 200 }), fc.double({ min: 0.05, max: 2, noNaN: true }))
  .map(([seed, rows, spread]) => cloudAround(mean, round(spread), rows, seed));

/** The definitions, word by word. */
function plainly(vectors: UnitMatrix) {
  const rows = Array.from({ length: vectors.rows }, (_, i) => [...vectors.row(i)]);
  const centre = rows[0]!.map((_, j) => rows.reduce((sum, row) => sum + row[j]!, 0) / rows.length);
  const squares = rows.map((row) => row.reduce((sum, x, j) => sum + (x - centre[j]!) ** 2, 0));
  return { centre, radius: Math.sqrt(squares.reduce((a, b) => a + b, 0) / rows.length) };
}

describe('cloudOf', () => {
  it('has the mean of the vectors as centre, and their root mean square distance to it as radius', () => {
    fc.assert(
      fc.property(clouds, (vectors) => {
        const [cloud, expected] = [cloudOf(vectors), plainly(vectors)];
        expect(cloud.rows).toBe(vectors.rows);
        expected.centre.forEach((x, j) => {
          expect(cloud.centre[j]).toBeCloseTo(x, 6);
        });
        expect(cloud.radius).toBeCloseTo(expected.radius, 3);
      }),
    );
  });

  it('counts the dimensions in which the vectors spread, not those that they have', () => {
    const flat = [0, 0.1, 0.1, 0.1, 0, 0, 0, 0];
    expect(cloudOf(cloudAround(mean, flat, 4000, 1)).dimensions).toBeCloseTo(3, 0);
    expect(cloudOf(cloudAround(mean, [0, 0.1, 0, 0, 0, 0, 0, 0], 4000, 2)).dimensions).toBeLessThan(1.2);
    fc.assert(
      fc.property(clouds, (vectors) => {
        const { dimensions } = cloudOf(vectors);
        expect(dimensions).toBeGreaterThanOrEqual(1);
        expect(dimensions).toBeLessThanOrEqual(d);
      }),
    );
  });

  it('stays finite for one vector, and for equal ones', () => {
    for (const rows of [1, 5]) {
      const vectors = UnitMatrix.adopt(
        Float32Array.from({ length: rows * 2 }, (_, i) => 1 - (i % 2)),
        2,
        'equal',
      );
      expect(cloudOf(vectors)).toEqual({
        ...{ rows, centre: Float64Array.of(1, 0), radius: 0, dimensions: 1, sway: 0 },
      });
    }
  });
});

describe('shiftOfCentre and changeOfRadius', () => {
  it('are zero of a cloud and itself', () => {
    fc.assert(
      fc.property(clouds, (vectors) => {
        const cloud = cloudOf(vectors);
        expect(shiftOfCentre(cloud, cloud)).toBe(0);
        expect(changeOfRadius(cloud, cloud)).toBe(0);
      }),
    );
  });

  it('measure the shift in radii, and the radius by itself', () => {
    const base = { rows: 10, dimensions: 2, sway: 0.1 };
    const before = { ...base, centre: Float64Array.of(0.5, 0), radius: 0.5 };
    const after = { ...base, centre: Float64Array.of(0.5, 0.1), radius: 0.4 };
    expect(shiftOfCentre(before, after)).toBeCloseTo(0.2, 12);
    expect(changeOfRadius(before, after)).toBeCloseTo(0.2, 12);
  });
});

describe('shiftOfDiscrepancies', () => {
  const stats = (r: number[], sigma: number[], n = r.map(() => 16)) => ({
    ...{ r: Float64Array.from(r), sigma: Float64Array.from(sigma), n: Int32Array.from(n) },
  });

  it('measures r in units of its spread over the probes, and σ by itself', () => {
    const before = stats([0.4, 0.6], [0.1, 0.1]);
    const after = stats([0.45, 0.65], [0.1, 0.12]);
    const { r, sigma } = shiftOfDiscrepancies(before, after);
    expect(r).toBeCloseTo(0.5, 12);
    expect(sigma).toBeCloseTo(0.1, 12);
  });

  it('counts a probe with no eligible candidate as r = 1, σ = 0, towards which it went', () => {
    const before = stats([0.4, 0.6], [0.1, 0.1]);
    const after = stats([0.4, Number.NaN], [0.1, Number.NaN], [16, 0]);
    expect(shiftOfDiscrepancies(before, after)).toEqual(
      shiftOfDiscrepancies(before, stats([0.4, 1], [0.1, 0])),
    );
  });

  it('stays finite where all probes had one r and no spread', () => {
    const { r, sigma } = shiftOfDiscrepancies(stats([0.5, 0.5], [0, 0]), stats([0.6, 0.6], [0.1, 0.1]));
    expect(r).toBeGreaterThan(1e6);
    expect(sigma).toBeGreaterThan(100);
    expect(Number.isFinite(r) && Number.isFinite(sigma)).toBe(true);
  });
});
