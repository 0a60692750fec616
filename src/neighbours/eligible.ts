import { checkWhole } from '../checks.js';
import { FoilbankError } from '../errors.js';
import type { UnitMatrix } from '../vectors/index.js';
import type { EngineKind, NeighbourEngine, Neighbours } from './engine.js';
import type { ExactEngine } from './exact.js';
import { largestFirst } from './order.js';

/** Candidates that may not support an embedding, besides those above the same-person ceiling. */
export interface Exclusion {
  /** Identity labels. A label that no candidate has excludes nothing. */
  readonly identities?: readonly string[];
  /** Rows of single candidates, 0..n-1. */
  readonly rows?: readonly number[];
}

export interface SupportOptions {
  /** K: how many candidates, at least 1. */
  readonly k: number;
  /** For all queries, or one for each. */
  readonly exclude?: Exclusion | readonly Exclusion[];
  /** Leaves `rows` empty and `similarities` in any order, which is cheaper where only r and σ are wanted. */
  readonly similaritiesOnly?: boolean;
}

/**
 * N_K(v), the support set of one embedding: its K most similar inter-class candidates, that is, candidates of no excluded
 * identity and not more similar to v than one person is to himself.
 */
export interface SupportSet {
  /** Rows of the candidates, most similar first, the lower row first among equals. */
  readonly rows: Int32Array;
  readonly similarities: Float32Array;
  /** Whether there are K of them. Otherwise these are all that the bank has for this embedding. */
  readonly complete: boolean;
  /** Candidates that the rule keeps out. `aboveCeiling` counts those of no excluded identity that the search came upon: all of them when `searched.engine` is exact. */
  readonly keptOut: { readonly excluded: number; readonly aboveCeiling: number };
  /** The last search: its engine, and the number of candidates that it looked through for eligible ones. */
  readonly searched: { readonly engine: EngineKind; readonly width: number };
}

export interface SupportSearchOptions {
  readonly engine: NeighbourEngine;
  /** Serves where an approximate `engine` finds too few eligible candidates. May be `engine` itself. */
  readonly exact: ExactEngine;
  /** K above which `exact` is asked in place of `engine`. Default: none. */
  readonly exactAbove?: number;
  /** Identity label of every candidate, or how to find the rows of a label. Without either no identity can be excluded. */
  readonly identities?: readonly string[] | ((label: string) => readonly number[]);
  /** Similarity above which two embeddings are one person's, from the embedder's model card; 1 excludes nobody. (-1, 1]. */
  readonly samePersonCeiling: number;
}

/** Looked at beyond K from the start, for the few candidates that may lie above the ceiling. */
const SPARE = 8;
const WIDENING = 4;
const NO_ROWS = new Int32Array(0);
/** Neighbours held at once; bounds memory when all candidates have to be looked through. */
const MAX_NEIGHBOURS = 2 ** 20;

/**
 * The inter-class rule. Whatever is excluded, K candidates come back while K eligible ones exist: the search is widened, and
 * in the end it is exact, over all candidates.
 */
export class SupportSearch {
  readonly #options: SupportSearchOptions;
  readonly #ceiling: number;
  readonly #rowsOf: (label: string) => readonly number[];
  /** Of the query that is looked at, used again for the next: one of its own for each is work for the collector. */
  #similarities = new Float32Array(0);

  /** @throws FoilbankError FB_OPTION_INVALID */
  constructor(options: SupportSearchOptions) {
    const { engine, exact, identities, samePersonCeiling } = options;
    if (!(samePersonCeiling > -1 && samePersonCeiling <= 1))
      throw new FoilbankError('FB_OPTION_INVALID', {
        option: 'samePersonCeiling',
        value: samePersonCeiling,
        expected: 'a similarity above -1 and at most 1',
      });
    checkWhole('exact.candidates', exact.candidates, engine.candidates, engine.candidates);
    this.#options = options;
    // Rounding lifts some similarities of equal vectors above 1.
    this.#ceiling = samePersonCeiling < 1 ? samePersonCeiling : Number.POSITIVE_INFINITY;
    this.#rowsOf = typeof identities === 'function' ? identities : byLabel(identities, engine.candidates);
  }

  get candidates(): number {
    return this.#options.engine.candidates;
  }

  /** K above which the exact engine answers; infinite where none is. */
  get exactAbove(): number {
    return this.#options.exactAbove ?? Number.POSITIVE_INFINITY;
  }

  get dimension(): number {
    return this.#options.engine.dimension;
  }

  /**
   * The support set of every query.
   *
   * @param queries shape [m, d]
   * @throws FoilbankError FB_OPTION_INVALID, FB_EMBEDDING_LENGTH, and what the engines throw
   */
  async find(queries: UnitMatrix, options: SupportOptions): Promise<SupportSet[]> {
    const { k, exclude = {}, similaritiesOnly = false } = options;
    checkWhole('k', k, 1, Number.MAX_SAFE_INTEGER);
    const excluded = this.#excludedRows(queries.rows, exclude);
    const sets = new Array<SupportSet>(queries.rows);
    let pending = Array.from(sets.keys());
    const { engine: usual, exact } = this.#options;
    let engine: NeighbourEngine = k > this.exactAbove ? exact : usual;
    let width = Math.min(this.candidates, k + this.#firstMargin(excluded, k));
    while (pending.length > 0) {
      const last = engine.kind === 'exact' && width === this.candidates;
      const lacking: number[] = [];
      const step = Math.max(1, Math.floor(MAX_NEIGHBOURS / width));
      for (let begin = 0; begin < pending.length; begin += step) {
        const group = pending.slice(begin, begin + step);
        // Which candidate is excluded shows by its row only.
        const needsRows = !similaritiesOnly || group.some((query) => excluded[query]!.size > 0);
        const some = group.length === queries.rows ? queries : queries.gather(group);
        const found = await (needsRows
          ? engine.nearest(some, width)
          : engine.nearestSimilarities(some, width));
        group.forEach((query, i) => {
          const set = this.#sift(found, i, excluded[query]!, options, engine.kind);
          sets[query] = set;
          if (!set.complete && !last) lacking.push(query);
        });
      }
      pending = lacking;
      // An approximate search is widened once: a wider one costs more than an exact one, and still promises nothing.
      if (width > k * WIDENING || width === this.candidates) engine = exact;
      width = Math.min(this.candidates, width * WIDENING);
    }
    return sets;
  }

  /** The eligible ones among one query's neighbours, at most k. */
  #sift(
    found: Neighbours,
    query: number,
    excluded: ReadonlySet<number>,
    { k, similaritiesOnly = false }: SupportOptions,
    engine: EngineKind,
  ): SupportSet {
    const { width } = found;
    const ordered = found.rows.length > 0;
    // Which of them are the nearest shows at the end only, where they come in any order.
    const most = ordered ? Math.min(k, width) : width;
    if (this.#similarities.length < most) this.#similarities = new Float32Array(most);
    const similarities = this.#similarities;
    const rows = ordered && !similaritiesOnly ? new Int32Array(most) : NO_ROWS;
    let aboveCeiling = 0;
    let count = 0;
    for (let i = query * width; i < (query + 1) * width && count < most; i++) {
      const similarity = found.similarities[i]!;
      if (Number.isNaN(similarity)) break;
      if (excluded.size > 0 && excluded.has(found.rows[i]!)) continue;
      if (similarity > this.#ceiling) {
        aboveCeiling++;
        continue;
      }
      similarities[count] = similarity;
      if (rows !== NO_ROWS) rows[count] = found.rows[i]!;
      count++;
    }
    if (count > k) largestFirst(similarities, k, 0, count);
    count = Math.min(count, k);
    return {
      rows: rows === NO_ROWS ? rows : rows.subarray(0, count),
      similarities: similarities.slice(0, count),
      complete: count === k,
      keptOut: { excluded: excluded.size, aboveCeiling },
      searched: { engine, width },
    };
  }

  /** Enough for the excluded candidates to be among the nearest; many of them are seldom near, so not more than K. */
  #firstMargin(excluded: readonly ReadonlySet<number>[], k: number): number {
    const most = excluded.reduce((max, rows) => Math.max(max, rows.size), 0);
    return Math.min(most, k) + (Number.isFinite(this.#ceiling) ? SPARE : 0);
  }

  #excludedRows(queries: number, exclude: Exclusion | readonly Exclusion[]): ReadonlySet<number>[] {
    if (!isList(exclude)) return new Array<ReadonlySet<number>>(queries).fill(this.#rowsExcludedBy(exclude));
    checkWhole('exclude.length', exclude.length, queries, queries);
    return exclude.map((e) => this.#rowsExcludedBy(e));
  }

  #rowsExcludedBy({ identities = [], rows = [] }: Exclusion): ReadonlySet<number> {
    for (const row of rows) checkWhole('exclude.rows', row, 0, this.candidates - 1);
    return new Set([...rows, ...identities.flatMap((label) => this.#rowsOf(label))]);
  }
}

/** @throws FoilbankError FB_OPTION_INVALID unless there are no labels, or one for each candidate */
function byLabel(
  labels: readonly string[] | undefined,
  candidates: number,
): (label: string) => readonly number[] {
  if (labels) checkWhole('identities.length', labels.length, candidates, candidates);
  const rowsOf = new Map<string, number[]>();
  labels?.forEach((label, row) => {
    const rows = rowsOf.get(label);
    if (rows) rows.push(row);
    else rowsOf.set(label, [row]);
  });
  return (label) => rowsOf.get(label) ?? [];
}

function isList(exclude: Exclusion | readonly Exclusion[]): exclude is readonly Exclusion[] {
  return Array.isArray(exclude);
}
