import { hashOf, randomFrom } from './random.js';

/**
 * How often each identity is drawn in each resample of a bootstrap: independent Poisson(1) numbers, which for many identities is
 * drawing with replacement. Identities are resampled and not pairs, since the pairs of one person stand or fall together.
 *
 * The weight of an identity hangs on its name, the seed and the resample alone, so that resamples of several estimators and of several
 * splits of one collection are the same people drawn again, and their differences can be taken draw by draw.
 */
export class IdentityResamples {
  readonly #weights: Uint8Array;

  constructor(
    private readonly names: readonly string[],
    /** Number of resamples. */
    readonly count: number,
    seed = 1,
  ) {
    this.#weights = new Uint8Array(names.length * count);
    names.forEach((name, identity) => {
      const random = randomFrom(hashOf(name, seed));
      for (let draw = 0; draw < count; draw++)
        this.#weights[draw * names.length + identity] = poisson(random());
    });
  }

  /** Weight of every identity in resample `draw`. */
  weights(draw: number): Uint8Array {
    return this.#weights.subarray(draw * this.names.length, (draw + 1) * this.names.length);
  }
}

/** Poisson(1) by inversion of a uniform number. */
function poisson(uniform: number): number {
  let probability = Math.exp(-1);
  let sum = probability;
  let k = 0;
  while (uniform > sum && k < 16) {
    probability /= ++k;
    sum += probability;
  }
  return k;
}

export type Interval = readonly [low: number, high: number];

/** The middle 95 % of the draws, NaN left out; undefined of fewer than 20. */
export function intervalOf(draws: Float64Array): Interval | undefined {
  const sorted = draws.filter((x) => !Number.isNaN(x)).sort();
  if (sorted.length < 20) return undefined;
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))]!;
  return [at(0.025), at(0.975)];
}
