import {
  type CandidateTable,
  joinTables,
  keepRows,
  type Part,
  type PartFolder,
  type SeedRange,
} from '../bank/index.js';
import { FoilbankError, throwIfCancelled } from '../errors.js';
import type { InferencePool } from '../onnx/index.js';
import type { BuildOptions } from './build-options.js';
import { withoutNearDuplicates } from './near-duplicates.js';

/** Candidates that passed every gate, in the order of their seeds, and what became of all seeds. */
export interface Selected {
  readonly candidates: CandidateTable;
  readonly generated: number;
  readonly rejected: Readonly<Record<'undetected' | 'nearDuplicate' | 'surplus', number>>;
}

/** Seeds after which a build that accepts too few gives up. */
const PATIENCE = 128;
/** Parts read at once: enough to hide a store's answer times. */
const READERS = 8;

/**
 * Chooses a bank's candidates out of the parts of `ranges`.
 *
 * @returns the selection; or parts that are not there or are damaged, and must be made; or, when too few candidates
 *   passed the gates, how many chunks will probably do
 * @throws FoilbankError FB_YIELD_TOO_LOW, FB_CANCELLED, and what store and networks throw
 */
export async function selectCandidates(
  pool: InferencePool,
  parts: PartFolder,
  ranges: readonly SeedRange[],
  options: BuildOptions,
  dimension: number,
  signal?: AbortSignal,
): Promise<Selected | { readonly missing: readonly SeedRange[] } | { readonly chunks: number }> {
  const { size, chunkSize, minimumYield, firstSeed, duplicateCeiling } = options;
  const loaded = await loadAll(parts, ranges, signal);
  const missing = ranges.filter((_, i) => !loaded[i]);
  if (missing.length > 0) return { missing };
  const all = await joinTables(loaded.map((part) => (part as Part).candidates));
  const rows = all.seeds.length;
  const distinct = await withoutNearDuplicates(pool, all.embeddings, dimension, duplicateCeiling, signal);
  const generated = ranges.length * chunkSize;
  if (distinct.length >= size)
    return {
      candidates: await keepRows(all, distinct.subarray(0, size)),
      generated,
      rejected: {
        undetected: generated - rows,
        nearDuplicate: rows - distinct.length,
        surplus: distinct.length - size,
      },
    };
  const share = distinct.length / generated;
  if (generated >= PATIENCE && share < minimumYield)
    throw new FoilbankError('FB_YIELD_TOO_LOW', { accepted: distinct.length, generated, firstSeed });
  // No leap on the word of a few seeds.
  const wanted = chunksFor(options, Math.max(share, minimumYield));
  return { chunks: Math.max(ranges.length + 1, Math.min(4 * ranges.length, wanted)) };
}

/** Chunks that give `size` candidates, and a little more, when this share of the seeds passes. */
export const chunksFor = ({ size, chunkSize }: Pick<BuildOptions, 'size' | 'chunkSize'>, share: number) =>
  Math.ceil((1.02 * size) / share / chunkSize);

async function loadAll(parts: PartFolder, ranges: readonly SeedRange[], signal?: AbortSignal) {
  const loaded: (Part | undefined)[] = [];
  let next = 0;
  const reader = async () => {
    for (let i = next++; i < ranges.length; i = next++) {
      throwIfCancelled(signal, 'the build');
      loaded[i] = await parts.load(ranges[i] as SeedRange);
    }
  };
  await Promise.all(Array.from({ length: READERS }, reader));
  return loaded;
}
