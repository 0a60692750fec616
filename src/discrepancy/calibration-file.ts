import { FoilbankError } from '../errors.js';
import { choleskyOf, formatNpy, parseNpy } from '../vectors/index.js';
import type { Calibration } from './calibration.js';

/**
 * A calibration as a NumPy file: float64 [1 + components, 2 + d + d²]. Row 0 is the whole sample: n, shrinkage, mean, scatter.
 * Each further row is a component: weight, 0, mean, covariance. docs/bank-format.md describes it.
 */
export function encodeCalibration({ moments, shrinkage, mixture }: Calibration): Uint8Array {
  const width = 2 + moments.mean.length + moments.scatter.length;
  const data = new Float64Array((1 + mixture.length) * width);
  [
    [[moments.n, shrinkage], moments.mean, moments.scatter],
    ...mixture.map(({ weight, mean, covariance }) => [[weight, 0], mean, covariance]),
  ].forEach((parts, row) => {
    let at = row * width;
    for (const part of parts) {
      data.set(part as ArrayLike<number>, at);
      at += (part as ArrayLike<number>).length;
    }
  });
  return formatNpy({ shape: [1 + mixture.length, width], data });
}

/**
 * @param dimension d of the bank it belongs to
 * @throws FoilbankError FB_NPY_INVALID, FB_BANK_CORRUPT
 */
export function decodeCalibration(
  bytes: Uint8Array,
  dimension: number,
  reason: string,
  file: string,
): Calibration {
  const { data, shape } = parseNpy(bytes, file);
  const [rows, width] = shape;
  const d = dimension;
  if (width !== 2 + d + d * d || !(data instanceof Float64Array) || !data.every(Number.isFinite))
    throw new FoilbankError('FB_BANK_CORRUPT', { file, reason: `it is no calibration of ${d} dimensions` });
  const row = (i: number) => ({
    first: data[i * width]!,
    second: data[i * width + 1]!,
    mean: data.slice(i * width + 2, i * width + 2 + d),
    square: data.slice(i * width + 2 + d, (i + 1) * width),
  });
  const { first: n, second: shrinkage, mean, square: scatter } = row(0);
  const mixture = Array.from({ length: rows - 1 }, (_, k) => {
    const { first: weight, mean: centre, square: covariance } = row(k + 1);
    if (!choleskyOf(covariance))
      throw new FoilbankError('FB_BANK_CORRUPT', {
        file,
        reason: `component ${k} has no definite covariance`,
      });
    return { weight, mean: centre, covariance };
  });
  return { moments: { n, mean, scatter }, shrinkage, mixture, reason };
}
