/** Accuracy on labelled pairs, as the LFW protocol reports it. */
export interface FoldAccuracy {
  /** Mean over the folds, 0..1. */
  readonly accuracy: number;
  /** Standard error of that mean. */
  readonly error: number;
  readonly folds: readonly number[];
}

const FOLDS = 10;

/**
 * Ten-fold accuracy: the threshold that is best on nine folds judges the tenth. Folds are tenths of the genuine and of the impostor pairs
 * in the order of the list, so that a list sorted by people keeps most of a person's pairs in one fold.
 *
 * @param scores and `genuine`: one entry a pair; at least ten pairs of each kind
 */
export function foldAccuracy(scores: Float64Array, genuine: Uint8Array): FoldAccuracy {
  const fold = foldsOf(genuine);
  const order = Uint32Array.from(scores.keys()).sort((a, b) => scores[a]! - scores[b]!);
  const folds = Array.from({ length: FOLDS }, (_, tested) => {
    const threshold = bestThreshold(scores, genuine, order, (pair) => fold[pair] !== tested);
    let [right, all] = [0, 0];
    for (let pair = 0; pair < scores.length; pair++) {
      if (fold[pair] !== tested) continue;
      all++;
      if (scores[pair]! > threshold === (genuine[pair] === 1)) right++;
    }
    return right / all;
  });
  const accuracy = folds.reduce((sum, x) => sum + x, 0) / FOLDS;
  const variance = folds.reduce((sum, x) => sum + (x - accuracy) ** 2, 0) / (FOLDS - 1);
  return { accuracy, error: Math.sqrt(variance / FOLDS), folds };
}

/** Tenth of each pair among those of its kind. */
function foldsOf(genuine: Uint8Array): Uint8Array {
  const count = [0, 0];
  for (const kind of genuine) count[kind]!++;
  const seen = [0, 0];
  return Uint8Array.from(genuine, (kind) => Math.floor((FOLDS * seen[kind]!++) / count[kind]!));
}

/** The threshold between two scores that most of the chosen pairs are on the right side of. */
function bestThreshold(
  scores: Float64Array,
  genuine: Uint8Array,
  ascending: Uint32Array,
  chosen: (pair: number) => boolean,
): number {
  const pairs = ascending.filter(chosen);
  let right = pairs.reduce((sum, pair) => sum + genuine[pair]!, 0);
  let best = { right, threshold: Number.NEGATIVE_INFINITY };
  pairs.forEach((pair, i) => {
    right += genuine[pair] ? -1 : 1;
    const next = i + 1 < pairs.length ? scores[pairs[i + 1]!]! : Number.POSITIVE_INFINITY;
    if (right > best.right && next > scores[pair]!)
      best = {
        right,
        threshold: next === Number.POSITIVE_INFINITY ? scores[pair]! : (scores[pair]! + next) / 2,
      };
  });
  return best.threshold;
}
