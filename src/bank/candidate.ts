import { setImmediate } from 'node:timers/promises';
import { FoilbankError } from '../errors.js';

/**
 * Candidates, column by column: row i of every column is one virtual face. A virtual face has an identity of its own,
 * and its latent seed names it, so no seed comes twice and rows are ordered by seed.
 */
export interface CandidateTable {
  /** d, the length of an embedding. */
  readonly dimension: number;
  /** [m] latent seeds, whole numbers in 0..2^53 − 1, strictly ascending. */
  readonly seeds: Float64Array;
  /** [m] truncation psi each face was generated with. */
  readonly psi: Float32Array;
  /** [m] detector score in [0, 1]. */
  readonly scores: Float32Array;
  /** [m, d] unit embeddings, row by row. */
  readonly embeddings: Float32Array;
}

/** How far from 1 the squared length of a stored embedding may be: float32 rounding at d = 4096, with room to spare. */
const UNIT_TOLERANCE = 1e-3;

/** Rows handled before the event loop gets its turn, and the rows of a record batch: 1 MB at d = 128. */
export const BLOCK_ROWS = 2048;

/**
 * Seeds from here on are no latents: they name vectors drawn from a calibration's mixture, which nobody's picture shows. No epoch of
 * seeds reaches them.
 */
export const FIRST_DRAWN_SEED = 2 ** 53 - 2 ** 32;

export const isDrawn = (seed: number): boolean => seed >= FIRST_DRAWN_SEED;

/** The name of a candidate's virtual identity: `c` and its seed, or `d` and the number of a drawn one. */
export function candidateId(seed: number): string {
  return isDrawn(seed) ? `d${seed - FIRST_DRAWN_SEED}` : `c${seed}`;
}

/** The seed of an identity, whether or not a bank has it; undefined for what is no candidate's name. */
function seedOf(identity: string): number | undefined {
  const [, kind, digits] = /^([cd])(0|[1-9]\d{0,15})$/.exec(identity) ?? [];
  if (digits === undefined) return undefined;
  const seed = Number(digits) + (kind === 'd' ? FIRST_DRAWN_SEED : 0);
  return Number.isSafeInteger(seed) && candidateId(seed) === identity ? seed : undefined;
}

/**
 * The candidate of an identity, found among the seeds without a list of names.
 *
 * @param seeds ascending, as a table has them
 * @returns undefined when there is none
 */
export function rowOf(seeds: Float64Array, identity: string): number | undefined {
  const seed = seedOf(identity);
  if (seed === undefined) return undefined;
  let [low, high] = [0, seeds.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (seeds[middle]! < seed) low = middle + 1;
    else high = middle;
  }
  return seeds[low] === seed ? low : undefined;
}

/**
 * A table of zeros to be filled. Its embeddings lie in shared memory, so that inference threads can read them without
 * a copy each; or, not shared, in memory that can be moved to another thread.
 */
export function emptyTable(rows: number, dimension: number, shared = true): CandidateTable {
  const bytes = rows * dimension * 4;
  return {
    dimension,
    seeds: new Float64Array(rows),
    psi: new Float32Array(rows),
    scores: new Float32Array(rows),
    embeddings: new Float32Array(shared ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes)),
  };
}

/** Rows [start, end) as views: nothing is copied. */
export function sliceTable(table: CandidateTable, start: number, end: number): CandidateTable {
  const { dimension } = table;
  return {
    dimension,
    seeds: table.seeds.subarray(start, end),
    psi: table.psi.subarray(start, end),
    scores: table.scores.subarray(start, end),
    embeddings: table.embeddings.subarray(start * dimension, end * dimension),
  };
}

/** Several tables end to end, as one. @throws FoilbankError FB_BANK_DRAFT_INVALID when dimensions differ */
export async function joinTables(tables: readonly CandidateTable[]): Promise<CandidateTable> {
  const dimension = tables[0]?.dimension ?? 1;
  const joined = emptyTable(
    tables.reduce((sum, t) => sum + t.seeds.length, 0),
    dimension,
  );
  let at = 0;
  for (const table of tables) {
    if (table.dimension !== dimension)
      throw new FoilbankError('FB_BANK_DRAFT_INVALID', {
        bank: '(parts)',
        field: 'candidates',
        reason: `embeddings of length ${table.dimension} beside embeddings of length ${dimension}`,
      });
    copyRows(table, joined, at);
    at += table.seeds.length;
    await setImmediate();
  }
  return joined;
}

/**
 * The given rows, moved to the front of the same memory: the table passed in is used up.
 *
 * @param rows strictly ascending indices
 */
export async function keepRows(table: CandidateTable, rows: Uint32Array): Promise<CandidateTable> {
  const { dimension } = table;
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i] as number;
    table.seeds.copyWithin(i, row, row + 1);
    table.psi.copyWithin(i, row, row + 1);
    table.scores.copyWithin(i, row, row + 1);
    table.embeddings.copyWithin(i * dimension, row * dimension, (row + 1) * dimension);
    if (i % BLOCK_ROWS === BLOCK_ROWS - 1) await setImmediate();
  }
  return sliceTable(table, 0, rows.length);
}

/** Copies all rows of `from` into `to`, beginning at row `at`. */
export function copyRows(from: CandidateTable, to: CandidateTable, at: number): void {
  to.seeds.set(from.seeds, at);
  to.psi.set(from.psi, at);
  to.scores.set(from.scores, at);
  to.embeddings.set(from.embeddings, at * to.dimension);
}

/** What is wrong with rows [start, end), in words that hold no value of an embedding; undefined when nothing is. */
export function faultOf(table: CandidateTable, start: number, end: number): string | undefined {
  const { seeds, psi, scores, embeddings, dimension } = table;
  for (let row = start; row < end; row++) {
    const seed = seeds[row] as number;
    if (!Number.isSafeInteger(seed) || seed < 0)
      return `row ${row}: seed ${seed} is not a whole number in 0..2^53-1`;
    if (row > 0 && seed <= (seeds[row - 1] as number)) return `row ${row}: seed ${seed} does not ascend`;
    const p = psi[row] as number;
    if (!(p >= 0 && p < Number.POSITIVE_INFINITY)) return `row ${row}: psi ${p} is not a number from 0`;
    const score = scores[row] as number;
    if (!(score >= 0 && score <= 1)) return `row ${row}: score ${score} is not in 0..1`;
    let square = 0;
    for (let i = row * dimension; i < (row + 1) * dimension; i++) {
      const x = embeddings[i] as number;
      square += x * x;
    }
    // The comparison is false for NaN, so an embedding with one is caught too.
    if (!(Math.abs(square - 1) <= UNIT_TOLERANCE)) return `row ${row}: the embedding is not of unit length`;
  }
  return undefined;
}

/** As `faultOf`, for the whole table and the lengths of its columns, without holding the event loop. */
export async function faultOfTable(table: CandidateTable): Promise<string | undefined> {
  const { seeds, psi, scores, embeddings, dimension } = table;
  const rows = seeds.length;
  if (!Number.isInteger(dimension) || dimension < 1)
    return `dimension ${dimension} is not a whole number from 1`;
  if (psi.length !== rows || scores.length !== rows || embeddings.length !== rows * dimension)
    return `columns differ in length: seeds ${rows}, psi ${psi.length}, scores ${scores.length}, embeddings ${embeddings.length / dimension}`;
  for (let start = 0; start < rows; start += BLOCK_ROWS) {
    const fault = faultOf(table, start, Math.min(rows, start + BLOCK_ROWS));
    if (fault) return fault;
    await setImmediate();
  }
  return undefined;
}
