import { FoilbankError } from '../errors.js';
import type { ModelCard } from './card.js';

/** Largest difference of what was found from what a card says; NaN where something is missing. */
export const largestDifference = (found: ArrayLike<number>, expected: readonly number[]): number =>
  Math.max(...expected.map((value, i) => Math.abs(value - (found[i] ?? Number.NaN))));

/** @throws FoilbankError FB_MODEL_GOLDEN_MISMATCH unless every difference is within the tolerance of the card */
export function holdAgainstGolden({ name, golden }: ModelCard, differences: readonly number[]): void {
  const difference = Math.max(...differences);
  // Written so that NaN fails too.
  if (!(difference <= golden.tolerance))
    throw new FoilbankError('FB_MODEL_GOLDEN_MISMATCH', {
      card: name,
      difference,
      tolerance: golden.tolerance,
    });
}
