import { type CandidateTable, emptyTable, type Part, type SeedRange } from '../bank/index.js';
import { throwIfCancelled } from '../errors.js';
import type { CandidateMaker, MadeFaces } from './candidate-maker.js';

export interface GenerateOptions {
  readonly psi: number;
  /** Faces with a lower detector score are rejected. 0..1. */
  readonly minimumScore: number;
  readonly dimension: number;
  /** How many batches are under way at once; enough of them keep every inference thread busy. */
  readonly concurrency: number;
  readonly signal?: AbortSignal | undefined;
  /** Called with the detector scores of each finished batch. */
  readonly onFaces?: (scores: ArrayLike<number>) => void;
}

/**
 * Makes the parts of seed ranges, in any order, several batches at once across the ranges' borders: the stages of one
 * batch overlap with those of others. Batches are cut from the beginning of each range, so a part's bits depend on its
 * range alone.
 *
 * @param save called once for each range, as soon as it is whole
 * @throws FoilbankError FB_CANCELLED, and what the networks throw; ranges saved before stay saved
 */
export async function generateParts(
  maker: CandidateMaker,
  ranges: readonly SeedRange[],
  options: GenerateOptions,
  save: (range: SeedRange, part: Part) => Promise<void>,
): Promise<void> {
  const batches = ranges.flatMap((range) => batchesOf(new OpenRange(range), maker.generator.batch));
  let next = 0;
  let failed = false;
  const lane = async () => {
    for (let i = next++; i < batches.length && !failed; i = next++) {
      throwIfCancelled(options.signal, 'generation');
      const { range, at, seeds } = batches[i] as Batch;
      const made = await maker.make(seeds, options.psi, options.minimumScore);
      options.onFaces?.(made.scores);
      if (range.fill(at, made)) await save(range.seeds, range.toPart(options));
    }
  };
  const lanes = Array.from({ length: Math.min(options.concurrency, batches.length) }, () =>
    lane().catch((error: unknown) => {
      failed = true;
      throw error;
    }),
  );
  // Every lane is waited for, so that nothing is under way any more when this returns or throws.
  const outcomes = await Promise.allSettled(lanes);
  const failure = outcomes.find((o) => o.status === 'rejected');
  if (failure) throw failure.reason;
}

interface Batch {
  readonly range: OpenRange;
  readonly at: number;
  readonly seeds: readonly number[];
}

function batchesOf(range: OpenRange, size: number): Batch[] {
  const { first, count } = range.seeds;
  return Array.from({ length: Math.ceil(count / size) }, (_, i) => {
    const at = i * size;
    return { range, at, seeds: Array.from({ length: Math.min(size, count - at) }, (_, j) => first + at + j) };
  });
}

/** A seed range whose batches come in any order. */
class OpenRange {
  readonly #faces: { score: number; embedding: Float32Array | undefined }[] = [];
  #filled = 0;

  constructor(readonly seeds: SeedRange) {}

  /** @returns whether the range is whole now */
  fill(at: number, { scores, embeddings }: MadeFaces): boolean {
    embeddings.forEach((embedding, i) => {
      this.#faces[at + i] = { score: scores[i] as number, embedding };
    });
    this.#filled += embeddings.length;
    return this.#filled === this.seeds.count;
  }

  toPart({ psi, minimumScore, dimension }: GenerateOptions): Part {
    const accepted = this.#faces.flatMap((face, i) =>
      face.embedding && face.score >= minimumScore
        ? [{ ...face, embedding: face.embedding, seed: this.seeds.first + i }]
        : [],
    );
    const candidates: CandidateTable = emptyTable(accepted.length, dimension);
    accepted.forEach(({ seed, score, embedding }, row) => {
      candidates.seeds[row] = seed;
      candidates.psi[row] = psi;
      candidates.scores[row] = score;
      candidates.embeddings.set(embedding, row * dimension);
    });
    return { candidates, rejected: { undetected: this.seeds.count - accepted.length } };
  }
}
