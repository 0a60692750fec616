/** A decision threshold and the rate at which pairs of different people pass it. */
export interface Threshold {
  /** False match rate, in (0, 1). */
  readonly falseMatchRate: number;
  /** A pair is a match when its aligned score is greater. */
  readonly threshold: number;
}

const RATES = [1e-2, 1e-3, 1e-4, 1e-5] as const;
/** Fewest pairs above a threshold: with fewer its rate is known to a third at best. */
const FEWEST_ABOVE = 10;

/**
 * Thresholds for false match rates of 1e-2 to 1e-5, as far down as the number of pairs carries.
 *
 * @param impostors scores of pairs of different people; sorted in place
 */
export function thresholdsOf(impostors: Float64Array): Threshold[] {
  impostors.sort();
  return RATES.filter((rate) => rate * impostors.length >= FEWEST_ABOVE).map((falseMatchRate) => ({
    falseMatchRate,
    threshold: impostors[impostors.length - 1 - Math.floor(falseMatchRate * impostors.length)] as number,
  }));
}

/**
 * How often pairs of different people score higher, read off measured thresholds: between two of them the logarithm of the rate
 * falls in a straight line. Beyond them nothing was measured, so the outermost rate is told.
 *
 * @param measured by falling rate, as `thresholdsOf` gives them
 * @returns undefined where there are none
 */
export function falseMatchRateOf(measured: readonly Threshold[], score: number): number | undefined {
  const above = measured.findIndex(({ threshold }) => score < threshold);
  const [low, high] = [measured[above - 1], measured[above]];
  if (!high) return measured.at(-1)?.falseMatchRate;
  if (!low) return high.falseMatchRate;
  const share = (score - low.threshold) / (high.threshold - low.threshold);
  return low.falseMatchRate * (high.falseMatchRate / low.falseMatchRate) ** share;
}
