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
import type { CandidateMaker } from './candidate-maker.js';
import { generateParts } from './generate.js';
import { withoutNearDuplicates } from './near-duplicates.js';
import { type Progress, RateMeter } from './progress.js';

/** Candidates that passed every gate, in the order of their seeds, and what became of all seeds. */
export interface Gathered {
  readonly candidates: CandidateTable;
  readonly generated: number;
  readonly rejected: Readonly<Record<'undetected' | 'nearDuplicate' | 'surplus', number>>;
}

export interface Gathering {
  readonly pool: InferencePool;
  readonly maker: CandidateMaker;
  readonly parts: PartFolder;
  readonly options: BuildOptions;
  /** d of the embedder. */
  readonly dimension: number;
  readonly signal?: AbortSignal | undefined;
  /** Seeds tried so far of those that it will probably take, and how many of them the detector accepted. */
  readonly onProgress?: ((progress: Progress, accepted: number) => void) | undefined;
}

/** Seeds after which a build that accepts too few gives up. */
const PATIENCE = 128;

/**
 * Generates chunk after chunk, and takes up those that an earlier run left, until `size` candidates pass the gates. The
 * first guess of how many seeds that takes is `size` itself; what passed so far corrects it.
 *
 * @throws FoilbankError FB_YIELD_TOO_LOW, FB_CANCELLED, and what the networks and the store throw
 */
export async function gatherCandidates(gathering: Gathering): Promise<Gathered> {
  const { pool, options, dimension, signal } = gathering;
  const { size, chunkSize, minimumYield, firstSeed } = options;
  const parts: Part[] = [];
  let chunks = Math.ceil(size / chunkSize);
  for (;;) {
    parts.push(...(await partsOf(gathering, rangesOf(options, parts.length, chunks), parts)));
    const all = await joinTables(parts.map((p) => p.candidates));
    const rows = all.seeds.length;
    const distinct = await withoutNearDuplicates(
      pool,
      all.embeddings,
      dimension,
      options.duplicateCeiling,
      signal,
    );
    const generated = chunks * chunkSize;
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
    // A little more than needed at the yield so far, but no leap on the word of a few seeds.
    const wanted = Math.ceil((1.02 * size) / Math.max(share, minimumYield) / chunkSize);
    chunks = Math.max(chunks + 1, Math.min(4 * chunks, wanted));
  }
}

const rangesOf = ({ firstSeed, chunkSize }: BuildOptions, from: number, to: number): SeedRange[] =>
  Array.from({ length: to - from }, (_, i) => ({
    first: firstSeed + (from + i) * chunkSize,
    count: chunkSize,
  }));

/** The parts of `ranges`, in their order: loaded where an earlier run left them, else made and saved. */
async function partsOf(
  gathering: Gathering,
  ranges: readonly SeedRange[],
  before: readonly Part[],
): Promise<Part[]> {
  const { pool, maker, parts, options, dimension, signal, onProgress } = gathering;
  const there = new Map<number, Part>();
  for (const range of ranges) {
    throwIfCancelled(signal, 'the build');
    const part = await parts.load(range);
    if (part) there.set(range.first, part);
  }
  const known = [...before, ...there.values()];
  let done = known.length * options.chunkSize;
  let accepted = known.reduce((sum, p) => sum + p.candidates.seeds.length, 0);
  const meter = new RateMeter((before.length + ranges.length) * options.chunkSize, done);
  onProgress?.(meter.update(done), accepted);
  const { psi, minimumScore } = options;
  await generateParts(
    maker,
    ranges.filter((range) => !there.has(range.first)),
    {
      ...{ psi, minimumScore, dimension, signal },
      // One batch more than there are threads, so that none waits while another one's results are unpacked.
      concurrency: pool.threads + 1,
      onFaces: (scores) => {
        done += scores.length;
        for (let i = 0; i < scores.length; i++) if ((scores[i] as number) >= minimumScore) accepted++;
        onProgress?.(meter.update(done), accepted);
      },
    },
    async (range, part) => {
      await parts.save(range, part);
      there.set(range.first, part);
    },
  );
  return ranges.map((range) => there.get(range.first) as Part);
}
