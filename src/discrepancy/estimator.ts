import { FoilbankError, throwIfCancelled } from '../errors.js';
import type { Exclusion, SupportSearch, SupportSet } from '../neighbours/index.js';
import type { DiscrepancyStats, Typical } from '../scoring/index.js';
import { spreadOf, type UnitMatrix } from '../vectors/index.js';

/** Embeddings estimated between two looks at the signal and at the progress: two batches of exact search, so that one is summed up while the other is searched. */
const CHUNK = 512;

export interface EstimateOptions {
  /** For all embeddings, or one for each. */
  readonly exclude?: Exclusion | readonly Exclusion[];
  /** Whether to return the support sets too. */
  readonly neighbours?: boolean;
  readonly signal?: AbortSignal;
  onProgress?(done: number, total: number): void;
}

/** r(v), σ(v) and what they were taken over, as arrays of length m. */
export interface DiscrepancyEstimate extends DiscrepancyStats {
  /** The estimator's name and version. */
  readonly estimator: string;
  /** K: `n` is smaller where the bank has fewer eligible candidates. */
  readonly k: number;
  /** Candidates of excluded identities, and (besides them) those above the same-person ceiling. */
  readonly excluded: Int32Array;
  readonly aboveCeiling: Int32Array;
  /** Only of `learned`: 1 where an embedding lies outside of all that it learned from. */
  readonly outside?: Uint8Array;
  /** Only of `learned`: 1 where the bank was looked up in its place, because the embedding lies outside or has an exclusion. */
  readonly lookedUp?: Uint8Array;
  /** The support sets, where they were asked for. */
  readonly neighbours?: readonly SupportSet[];
}

/** Support-set estimation (the paper's SSE): whatever gives r and σ of embeddings. */
export interface Estimator {
  /** Name and version, for example `virtual/1`. */
  readonly name: string;
  readonly k: number;
  /**
   * @param embeddings shape [m, d]
   * @throws FoilbankError FB_OPTION_INVALID, FB_EMBEDDING_LENGTH, FB_CANCELLED, and what the engines throw
   */
  estimate(embeddings: UnitMatrix, options?: EstimateOptions): Promise<DiscrepancyEstimate>;
}

type Exclude = NonNullable<EstimateOptions['exclude']>;

/** @throws FoilbankError FB_OPTION_INVALID for a list that is not one of m */
export function checkExclusions(exclude: Exclude, m: number): void {
  if (Array.isArray(exclude) && exclude.length !== m)
    throw new FoilbankError('FB_OPTION_INVALID', {
      option: 'exclude',
      value: `a list of ${exclude.length}`,
      expected: `one exclusion for all, or a list of ${m}`,
    });
}

/** What is excluded for one embedding. */
export const exclusionAt = (exclude: Exclude, row: number): Exclusion =>
  Array.isArray(exclude) ? exclude[row] : (exclude as Exclusion);

/** Typical r and σ by K, where they were measured: what the operator `fuse` needs. */
export type Typicals = ReadonlyMap<number, Typical>;

/**
 * r(v) and σ(v): mean and population standard deviation of s(v, c) over the K most similar inter-class candidates c that the
 * search has.
 */
export async function estimateBySearch(
  { name, k, typicals }: Pick<Estimator, 'name' | 'k'> & { readonly typicals: Typicals },
  support: SupportSearch,
  embeddings: UnitMatrix,
  options: EstimateOptions,
): Promise<DiscrepancyEstimate> {
  const [estimate] = await estimateSizes({ name, typicals }, [k], support, embeddings, options);
  return estimate as DiscrepancyEstimate;
}

/**
 * {@link estimateBySearch} for several K, by one search for the largest: a support set begins with every smaller one.
 *
 * @param ks each at least 1; `neighbours` are those of the largest
 * @returns one estimate a K, in their order
 */
export async function estimateSizes(
  { name, typicals }: { readonly name: string; readonly typicals: Typicals },
  ks: readonly number[],
  support: SupportSearch,
  embeddings: UnitMatrix,
  { exclude = {}, neighbours = false, signal, onProgress }: EstimateOptions,
): Promise<DiscrepancyEstimate[]> {
  const m = embeddings.rows;
  checkExclusions(exclude, m);
  const stats = ks.map(() => ({ r: new Float64Array(m), sigma: new Float64Array(m), n: new Int32Array(m) }));
  const excluded = new Int32Array(m);
  const aboveCeiling = new Int32Array(m);
  const kept: SupportSet[] = [];
  for (let begin = 0; begin < m; begin += CHUNK) {
    throwIfCancelled(signal, 'estimating discrepancies');
    const end = Math.min(m, begin + CHUNK);
    const sets = await support.find(embeddings.slice(begin, end), {
      k: Math.max(...ks),
      exclude: Array.isArray(exclude) ? exclude.slice(begin, end) : exclude,
      similaritiesOnly: !neighbours,
    });
    sets.forEach(({ similarities, keptOut }, i) => {
      // Without rows they come in any order, and the smaller sets are to be the first of them.
      if (ks.length > 1 && !neighbours) similarities.sort().reverse();
      stats.forEach(({ r, sigma, n }, size) => {
        const k = ks[size]!;
        const nearest = similarities.length > k ? similarities.subarray(0, k) : similarities;
        const { mean, deviation } = spreadOf(nearest);
        r[begin + i] = mean;
        sigma[begin + i] = deviation;
        n[begin + i] = nearest.length;
      });
      excluded[begin + i] = keptOut.excluded;
      aboveCeiling[begin + i] = keptOut.aboveCeiling;
    });
    if (neighbours) kept.push(...sets);
    onProgress?.(end, m);
  }
  return stats.map((some, i) => ({
    ...{ estimator: name, k: ks[i]!, ...some, typical: typicals.get(ks[i]!), excluded, aboveCeiling },
    ...(neighbours ? { neighbours: kept } : {}),
  }));
}
