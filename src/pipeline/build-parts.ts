import type { BankStore, PartFolder, SeedRange } from '../bank/index.js';
import { throwIfCancelled } from '../errors.js';
import type { InferencePool } from '../onnx/index.js';
import { type Inputs, partFolder } from './build-inputs.js';
import type { BuildOptions } from './build-options.js';
import type { CandidateMaker } from './candidate-maker.js';
import { generateParts } from './generate.js';
import { type Progress, RateMeter } from './progress.js';

/** Told after every batch how many seeds are decided, and how many of those of this run the detector accepted. */
export type OnSeeds = (progress: Progress, accepted: number) => void;

/** Has the parts of ranges made elsewhere, out of `chunks` in all, and resolves once they lie in the store. */
export type Delegate = (missing: readonly SeedRange[], chunks: number) => Promise<void>;

/** Where the parts of one build come from: the store, and for the rest this process or those to whom it is delegated. */
export interface PartSource {
  readonly pool: InferencePool;
  readonly store: BankStore;
  readonly bank: string;
  readonly maker: CandidateMaker;
  readonly inputs: Inputs;
  readonly options: Pick<BuildOptions, 'psi' | 'minimumScore' | 'chunkSize' | 'firstSeed'>;
  readonly delegate?: Delegate | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnSeeds | undefined;
}

/** The seeds of the first `chunks` chunks, chunk by chunk. */
export const rangesOf = ({ firstSeed, chunkSize }: PartSource['options'], chunks: number): SeedRange[] =>
  Array.from({ length: chunks }, (_, i) => ({ first: firstSeed + i * chunkSize, count: chunkSize }));

/**
 * Sees to it that the parts of the first `chunks` chunks lie in the store. A part that is there is not made again.
 *
 * @returns their ranges, how many seeds were decided here, and how many faces among them the detector accepted
 * @throws FoilbankError FB_CANCELLED, and what networks and store throw; parts saved before stay saved
 */
export async function ensureParts(
  source: PartSource,
  chunks: number,
): Promise<{ parts: PartFolder; ranges: readonly SeedRange[]; made: number; accepted: number }> {
  const { store, bank, inputs, options, signal } = source;
  const parts = partFolder(store, bank, inputs);
  const ranges = rangesOf(options, chunks);
  let [made, accepted] = [0, 0];
  for (;;) {
    throwIfCancelled(signal, 'the build');
    const missing = await parts.missing(ranges);
    if (missing.length === 0) {
      const seeds = chunks * options.chunkSize;
      if (made === 0) source.onProgress?.(new RateMeter(seeds, seeds).update(seeds), accepted);
      return { parts, ranges, made, accepted };
    }
    if (source.delegate) await source.delegate(missing, chunks);
    else {
      accepted += await makeParts(source, parts, missing, (chunks - missing.length) * options.chunkSize);
      made += missing.length * options.chunkSize;
    }
  }
}

/** Makes the parts of ranges and saves each as soon as it is whole; `already` seeds were decided before. */
async function makeParts(
  { pool, maker, inputs, options, signal, onProgress }: PartSource,
  parts: PartFolder,
  ranges: readonly SeedRange[],
  already: number,
): Promise<number> {
  const { psi, minimumScore, chunkSize } = options;
  let done = already;
  let accepted = 0;
  const meter = new RateMeter(already + ranges.length * chunkSize, already);
  onProgress?.(meter.update(done), accepted);
  await generateParts(
    maker,
    ranges,
    {
      ...{ psi, minimumScore, dimension: inputs.embedder.dimension, signal },
      // One batch more than there are threads, so that none waits while another one's results are unpacked.
      concurrency: pool.threads + 1,
      onFaces: (scores) => {
        done += scores.length;
        for (let i = 0; i < scores.length; i++) if ((scores[i] as number) >= minimumScore) accepted++;
        onProgress?.(meter.update(done), accepted);
      },
    },
    (range, part) => parts.save(range, part),
  );
  return accepted;
}
