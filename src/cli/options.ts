import { InvalidArgumentError } from 'commander';

/** Parses a whole number from `min` to `max`, for an option or argument. */
export function whole(min: number, max: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (value.trim() === '' || !Number.isInteger(number) || number < min || number > max)
      throw new InvalidArgumentError(`Give a whole number from ${min} to ${max}.`);
    return number;
  };
}

/** Parses a number from `min` to `max`, for an option. */
export function real(min: number, max: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (value.trim() === '' || !(number >= min && number <= max))
      throw new InvalidArgumentError(`Give a number from ${min} to ${max}.`);
    return number;
  };
}
