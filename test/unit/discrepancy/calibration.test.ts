import { describe, expect, it } from 'vitest';
import {
  decodeCalibration,
  drawsOf,
  encodeCalibration,
  fitCalibration,
  mapFaces,
} from '../../../src/discrepancy/index.js';
import { latents } from '../../../src/synthesis/index.js';
import { covarianceOf, momentsOf, UnitMatrix } from '../../../src/vectors/index.js';

const d = 8;
/** Gaussian rows round `places` in turn, each direction i with deviation spread / (i + 1). */
function cloud(
  rows: number,
  places: readonly (readonly number[])[],
  spread: number,
  seed: number,
): UnitMatrix {
  const z = latents(
    Array.from({ length: rows }, (_, i) => seed * 1e6 + i),
    d,
  );
  const values = z.map((x, i) => {
    const [row, j] = [Math.floor(i / d), i % d];
    return (places[row % places.length]![j] ?? 0) + (spread * x) / (j + 1);
  });
  return UnitMatrix.normalise(values, d);
}
const one = [[1, 0.2, 0, 0, 0, 0, 0, 0.4]];
const two = [
  [1, 0.6, 0, 0, 0, 0, 0, 0],
  [1, -0.6, 0, 0, 0, 0.3, 0, 0],
];
const faces = cloud(600, [[0.8, 0, 0.5, 0, 0, 0, 0.3, 0]], 0.2, 9);

/** Largest difference of mean and covariance between two samples. */
function apart(a: UnitMatrix, b: UnitMatrix): number {
  const [x, y] = [momentsOf(a), momentsOf(b)];
  const [s, t] = [covarianceOf(x), covarianceOf(y)];
  return Math.max(...x.mean.map((m, i) => Math.abs(m - y.mean[i]!)), ...s.map((c, i) => Math.abs(c - t[i]!)));
}

describe('fitCalibration', () => {
  it('takes a mixture where people come in groups, with the groups where they are', async () => {
    const { mixture, shrinkage, reason } = await fitCalibration(cloud(400, two, 0.1, 1));
    expect(shrinkage).toBe(0);
    expect(mixture.length).toBeGreaterThanOrEqual(2);
    expect(mixture.reduce((sum, { weight }) => sum + weight, 0)).toBeCloseTo(1, 9);
    for (const { mean } of mixture) expect(Math.abs(mean[1]!)).toBeGreaterThan(0.3);
    expect(reason).toContain('held-out log density');
  });

  it('takes none where one Gaussian describes strangers as well', async () => {
    const { mixture, reason } = await fitCalibration(cloud(400, one, 0.1, 2));
    expect(mixture, reason).toEqual([]);
  });

  it('of few samples shrinks, and says so', async () => {
    const sample = cloud(2 * d - 1 + 1, one, 0.1, 3).slice(0, 16);
    const few = await fitCalibration(UnitMatrix.concat([sample.slice(0, 16)], d));
    expect(few.mixture).toEqual([]);
    const wide = UnitMatrix.normalise(
      latents(
        Array.from({ length: 20 }, (_, i) => i),
        16,
      ),
      16,
    );
    expect(await fitCalibration(wide)).toMatchObject({ shrinkage: 8, mixture: [] });
  });

  it('counts a repeated photo once: many copies of few are too few', async () => {
    const few = cloud(10, one, 0.1, 4);
    const copies = UnitMatrix.concat(
      Array.from({ length: 50 }, () => few),
      d,
    );
    await expect(fitCalibration(copies)).rejects.toMatchObject({
      code: 'FB_CALIBRATION_TOO_FEW',
      details: { different: 10, given: 500, needed: 16 },
    });
  });
});

describe('mapFaces', () => {
  it('brings mean and covariance of the faces to those of the sample', async () => {
    const sample = cloud(400, one, 0.1, 5);
    const calibration = await fitCalibration(sample);
    expect(apart(faces, sample)).toBeGreaterThan(0.2);
    expect(apart(await mapFaces(calibration, faces), sample)).toBeLessThan(0.02);
  });

  it('sends faces to every component of a mixture', async () => {
    const sample = cloud(400, two, 0.1, 6);
    const moved = await mapFaces(await fitCalibration(sample), faces);
    const sides = Array.from({ length: moved.rows }, (_, row) => Math.sign(moved.row(row)[1]!));
    const left = sides.filter((side) => side < 0).length / sides.length;
    expect(left).toBeGreaterThan(0.25);
    expect(left).toBeLessThan(0.75);
  });

  it('of a sample without spread moves all to one place instead of failing', async () => {
    const nearly = UnitMatrix.normalise(
      Float32Array.from({ length: 20 * d }, (_, i) => (i % d === 0 ? 1 : 0) + (i % d === 1 ? i * 1e-6 : 0)),
      d,
    );
    const moved = await mapFaces(await fitCalibration(nearly), faces);
    expect(moved.similarity(0, moved, 300)).toBeGreaterThan(0.99);
  });
});

describe('drawsOf', () => {
  const drawn = async (numbers: readonly number[]) => {
    const calibration = await fitCalibration(cloud(400, two, 0.1, 7));
    return drawsOf(calibration, numbers, latents(numbers, d));
  };

  it('has the distribution of the sample', async () => {
    const numbers = [...Array(2000).keys()];
    expect(apart(await drawn(numbers), cloud(400, two, 0.1, 7))).toBeLessThan(0.03);
  });

  it('makes each a function of its own number', async () => {
    const [alone, among] = [await drawn([5]), await drawn([3, 4, 5])];
    expect([...alone.row(0)]).toEqual([...among.row(2)]);
  });
});

describe('the file of a calibration', () => {
  it('reads back as it was written', async () => {
    const calibration = await fitCalibration(cloud(400, two, 0.1, 8));
    const bytes = encodeCalibration(calibration);
    expect(decodeCalibration(bytes, d, calibration.reason, 'f')).toEqual(calibration);
  });

  it('of another dimension or with a broken covariance is refused', async () => {
    const calibration = await fitCalibration(cloud(400, two, 0.1, 8));
    const corrupt = expect.objectContaining({ code: 'FB_BANK_CORRUPT' });
    expect(() => decodeCalibration(encodeCalibration(calibration), d + 1, '', 'f')).toThrow(corrupt);
    const [first, ...rest] = calibration.mixture;
    const broken = [{ ...first!, covariance: first!.covariance.map((x) => -x) }, ...rest];
    expect(() =>
      decodeCalibration(encodeCalibration({ ...calibration, mixture: broken }), d, '', 'f'),
    ).toThrow(corrupt);
  });
});
