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

/** {@link Discrepancy} of m embeddings, as arrays of length m. */
export interface DiscrepancyStats {
  readonly r: Float64Array;
  readonly sigma: Float64Array;
  readonly n: Int32Array;
}

/** Row `i` of the arrays. */
export function discrepancyAt(stats: DiscrepancyStats, i: number): Discrepancy {
  return { r: stats.r[i]!, sigma: stats.sigma[i]!, n: stats.n[i]! };
}
