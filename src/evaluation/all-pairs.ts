import { checkWhole } from '../checks.js';
import { throwIfCancelled } from '../errors.js';
import type { InferencePool } from '../onnx/index.js';
import { alignScores, type DiscrepancyStats, type OperatorSettings } from '../scoring/index.js';
import type { UnitMatrix } from '../vectors/index.js';
import { checkIdentities, type Identities } from './identities.js';
import { HighestPairs, PairList, type PairScores } from './pair-scores.js';
import { ScoreHistogram } from './score-histogram.js';
import { similarityBlocks } from './similarity-blocks.js';

/** A way to score pairs: an operator, and for others than `none` r and σ of every photo. */
export interface Alignment {
  readonly settings: OperatorSettings;
  readonly stats: DiscrepancyStats;
}

/** All pairs of a collection, scored in one way. */
export interface ScoredPairs {
  /** Every pair of two photos of one person, in the order of the photos: the same for every alignment. */
  readonly genuine: PairScores;
  readonly impostors: number;
  /** The impostor pairs of the highest scores, the highest first: a share `highest` of them, or a few more. */
  readonly highest: PairScores;
  readonly histogram: ScoreHistogram;
}

export interface AllPairsOptions {
  /** Share of the impostor pairs whose scores are kept one by one. 0..1, default 0.03: three times the largest FAR that a resample asks for. */
  readonly highest?: number;
  /** Whether to count all scores; `false` leaves the histogram empty and takes a third of the time. Default true. */
  readonly histogram?: boolean;
  readonly signal?: AbortSignal | undefined;
  onProgress?(done: number, total: number): void;
}

/** Above it the highest pairs of one alignment alone would take some 600 MB. */
const MOST_PHOTOS = 30_000;

/**
 * Scores every pair of photos in every way at once: the similarities are made once, in blocks, and nothing is kept of a pair but its
 * counts, unless it is genuine or among the highest impostors. 4,000 photos are 8 million pairs.
 *
 * @param embeddings [n, d], n at most 30,000
 * @returns one result an alignment, in their order
 * @throws FoilbankError FB_IDENTITIES_TOO_FEW, FB_OPTION_INVALID, FB_SUPPORT_EMPTY, FB_CANCELLED, and what the pool throws
 */
export async function scoreAllPairs(
  pool: InferencePool,
  embeddings: UnitMatrix,
  identities: Identities,
  alignments: readonly Alignment[],
  { highest = 0.03, histogram = true, signal, onProgress }: AllPairsOptions = {},
): Promise<ScoredPairs[]> {
  const n = embeddings.rows;
  checkWhole('photos', n, 2, MOST_PHOTOS);
  checkWhole('labels', identities.labels.length, n, n);
  checkIdentities(identities);
  const wanted = Math.max(1, Math.ceil(highest * identities.impostor));
  const sinks = alignments.map(() => ({
    genuine: new PairList(),
    highest: new HighestPairs(wanted),
    histogram: new ScoreHistogram(),
  }));
  const rows = Uint32Array.from({ length: n }, (_, i) => i);
  const { of } = identities;
  for await (const { begin, rows: count, width, similarities } of similarityBlocks(
    pool,
    embeddings,
    embeddings,
  )) {
    throwIfCancelled(signal, 'scoring pairs');
    for (let a = begin; a < begin + count; a++) {
      const right = rows.subarray(a + 1);
      const left = new Uint32Array(right.length).fill(a);
      const raw = similarities.subarray((a - begin) * width + a + 1, (a - begin + 1) * width);
      alignments.forEach(({ settings, stats }, i) => {
        const sink = sinks[i]!;
        const scores = alignScores(settings, { raw, left, right }, stats);
        for (let j = 0; j < scores.length; j++) {
          const b = a + 1 + j;
          const genuine = of[a] === of[b];
          if (histogram) sink.histogram.add(scores[j]!, genuine);
          if (genuine) sink.genuine.push(scores[j]!, a, b);
          else if (scores[j]! >= sink.highest.least) sink.highest.push(scores[j]!, a, b);
        }
      });
    }
    onProgress?.(begin + count, n);
  }
  return sinks.map((sink) => ({
    ...{ genuine: sink.genuine.view(), impostors: identities.impostor },
    ...{ highest: sink.highest.sorted(), histogram: sink.histogram },
  }));
}
