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

/** The whole number of an environment variable; unset or empty: `otherwise`. @throws FoilbankError FB_OPTION_INVALID */
export function wholeOf(
  env: Readonly<Record<string, string | undefined>>,
  name: string,
  min: number,
  max: number,
  otherwise: number,
): number {
  const value = env[name];
  if (value === undefined || value === '') return otherwise;
  const number = Number(value);
  if (Number.isInteger(number) && number >= min && number <= max) return number;
  throw new FoilbankError('FB_OPTION_INVALID', {
    ...{ option: name, value, expected: `a whole number from ${min} to ${max}` },
  });
}
