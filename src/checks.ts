import { FoilbankError } from './errors.js';

/** @throws FoilbankError FB_OPTION_INVALID unless `value` is a whole number from `min` to `max` */
export function checkWhole(option: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max) {
    const expected = `a whole number from ${min}${max < Number.MAX_SAFE_INTEGER ? ` to ${max}` : ''}`;
    throw new FoilbankError('FB_OPTION_INVALID', { option, value, expected });
  }
}

/** @throws FoilbankError FB_OPTION_INVALID unless `value` is a number from `min` to `max`; NaN is none */
export function checkReal(option: string, value: number, min: number, max: number): void {
  if (!(value >= min && value <= max))
    throw new FoilbankError('FB_OPTION_INVALID', {
      option,
      value,
      expected: `a number from ${min} to ${max}`,
    });
}
