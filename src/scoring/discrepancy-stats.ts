/**
 * `standardise` and `fuse` divide by max(σ, SIGMA_FLOOR). σ → 0 when the support set is a single candidate or all of it is equally
 * similar. Real support sets have σ of 0.004 and more (LFW, K = 16), so the floor keeps scores finite and touches no others.
 */
export const SIGMA_FLOOR = 1e-4;
/** σ as it is divided by. */
export const floored = (sigma: number): number => Math.max(sigma, SIGMA_FLOOR);

/**
 * How close other people come to one embedding v: over its support set N_K(v), the K most similar inter-class candidates,
 * r(v) = mean s(v, c) and σ(v) = population standard deviation of s(v, c).
 */
export interface Discrepancy {
  /** Mean similarity to the support set, in [-1, 1]. NaN when `n` is 0. */
  readonly r: number;
  /** Standard deviation of that similarity, ≥ 0. NaN when `n` is 0. */
  readonly sigma: number;
  /** Candidates that r and σ were taken over: K, or fewer when the bank has fewer. */
  readonly n: number;
}

/** What r and σ are like for faces of the support set's own kind, at one K. */
export interface Typical {
  /** Mean of r, in [-1, 1]. */
  readonly r: number;
  /** Geometric mean of σ, > 0. */
  readonly sigma: number;
}

/** {@link Discrepancy} of m embeddings, as arrays of length m. */
export interface DiscrepancyStats {
  readonly r: Float64Array;
  readonly sigma: Float64Array;
  readonly n: Int32Array;
  /** Where it was measured for what r and σ were taken from. */
  readonly typical?: Typical | undefined;
}

/** @returns undefined where no embedding has a support set */
export function typicalOf({ r, sigma, n }: DiscrepancyStats): Typical | undefined {
  let [count, sum, logs] = [0, 0, 0];
  for (let i = 0; i < n.length; i++) {
    if (n[i]! < 1) continue;
    count++;
    sum += r[i]!;
    logs += Math.log(floored(sigma[i]!));
  }
  return count === 0 ? undefined : { r: sum / count, sigma: Math.exp(logs / count) };
}

/** Row `i` of the arrays. */
export function discrepancyAt(stats: DiscrepancyStats, i: number): Discrepancy {
  return { r: stats.r[i]!, sigma: stats.sigma[i]!, n: stats.n[i]! };
}
