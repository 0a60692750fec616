import { alignScores } from '../scoring/index.js';
import type { UnitMatrix } from '../vectors/index.js';
import type { Alignment, ScoredPairs } from './all-pairs.js';
import { descending, type PairScores } from './pair-scores.js';
import { ScoreHistogram } from './score-histogram.js';

/** Labelled pairs: pair i compares photos `left[i]` and `right[i]`. */
export interface PairTrials {
  readonly left: Uint32Array;
  readonly right: Uint32Array;
  readonly genuine: Uint8Array;
}

/** Scores in the order of the pairs. @throws FoilbankError FB_SUPPORT_EMPTY */
export function scoresOfTrials(
  embeddings: UnitMatrix,
  { left, right }: PairTrials,
  { settings, stats }: Alignment,
): Float64Array {
  const raw = Float64Array.from(left, (a, i) => embeddings.similarity(a, embeddings, right[i]!));
  return alignScores(settings, { raw, left, right }, stats);
}

/** Labelled pairs, scored in one way, in the form of all pairs: every impostor pair is among the highest. @throws FoilbankError FB_SUPPORT_EMPTY */
export function scoreTrials(embeddings: UnitMatrix, trials: PairTrials, alignment: Alignment): ScoredPairs {
  const scores = scoresOfTrials(embeddings, trials, alignment);
  const histogram = new ScoreHistogram();
  scores.forEach((score, i) => {
    histogram.add(score, trials.genuine[i] === 1);
  });
  const some = (kind: number): PairScores => {
    const kept = Uint32Array.from(scores.keys()).filter((i) => trials.genuine[i] === kind);
    return {
      scores: Float64Array.from(kept, (i) => scores[i]!),
      left: Uint32Array.from(kept, (i) => trials.left[i]!),
      right: Uint32Array.from(kept, (i) => trials.right[i]!),
    };
  };
  const impostors = some(0);
  return {
    genuine: some(1),
    impostors: impostors.scores.length,
    ...{ highest: descending(impostors), histogram },
  };
}
