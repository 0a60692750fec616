/** A decision threshold and the rate at which pairs of different people pass it. */
export interface Threshold {
  /** False match rate, in (0, 1). */
  readonly falseMatchRate: number;
  /** A pair is a match when its aligned score is greater. */
  readonly threshold: number;
}

const RATES = [1e-2, 1e-3, 1e-4, 1e-5] as const;
/** Fewest pairs that a rate allows above its threshold: with fewer it is known to a third at best. */
const FEWEST_ABOVE = 10;
/** Standard errors by which a threshold errs to the strict side. */
const STANDARD_ERRORS = 2.5;

/**
 * Thresholds for false match rates of 1e-2 to 1e-5, as far down as the number of pairs carries. How many pairs pass one is a matter of
 * chance, of standard error √n where n are expected (Poisson; more where pairs share people); 2.5 √n fewer than the rate allows do, so that a
 * rate is seldom exceeded because few pairs stand for it.
 *
 * @param impostors scores of pairs of different people; sorted in place
 */
export function thresholdsOf(impostors: Float64Array): Threshold[] {
  impostors.sort();
  return RATES.map((rate) => ({ rate, allowed: rate * impostors.length }))
    .filter(({ allowed }) => allowed >= FEWEST_ABOVE)
    .map(({ rate, allowed }) => ({
      falseMatchRate: rate,
      threshold: impostors.at(-1 - Math.floor(allowed - STANDARD_ERRORS * Math.sqrt(allowed))) as number,
    }));
}

/**
 * How often pairs of different people score higher, read off measured thresholds: between two of them the logarithm of the rate
 * falls in a straight line. Beyond them nothing was measured, so the outermost rate is told. Strict thresholds make it rather too high.
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
