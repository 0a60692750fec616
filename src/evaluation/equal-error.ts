import type { InferencePool } from '../onnx/index.js';
import { alignScores } from '../scoring/index.js';
import type { UnitMatrix } from '../vectors/index.js';
import type { Alignment, ScoredPairs } from './all-pairs.js';
import type { Identities } from './identities.js';
import { descending } from './pair-scores.js';
import { type IdentityResamples, type Interval, intervalOf } from './resampling.js';
import { equalErrorRate, rocOf, sharesAbove } from './score-histogram.js';
import { similarityBlocks } from './similarity-blocks.js';

/** The error rate at which false accepts and false rejects are equally many. */
export interface EqualError {
  readonly rate: number;
  /** 95 %, by resampling identities. */
  readonly interval: Interval | undefined;
}

/**
 * Equal error rates with intervals. Too many impostor pairs lie above such a threshold to weigh each in every resample; how many of them
 * each person is in is enough for their share to first order in the weights of the people.
 *
 * @param scored by the same alignments, with their histograms
 */
export async function equalErrors(
  pool: InferencePool,
  embeddings: UnitMatrix,
  identities: Identities,
  alignments: readonly Alignment[],
  scored: readonly ScoredPairs[],
  resamples: IdentityResamples,
): Promise<EqualError[]> {
  const points = scored.map(({ histogram }) => equalErrorRate(rocOf(histogram)));
  const above = await impostorsAbove(
    pool,
    embeddings,
    identities,
    alignments,
    points.map(({ threshold }) => threshold),
  );
  return scored.map((some, i) => {
    const { rate } = points[i]!;
    return { rate, interval: intervalOf(drawsOf(some, identities, above[i]!, resamples)) };
  });
}

/** Of each alignment: impostor pairs above its threshold, by person. Each counts for both of its people. */
async function impostorsAbove(
  pool: InferencePool,
  embeddings: UnitMatrix,
  { of, names }: Identities,
  alignments: readonly Alignment[],
  thresholds: readonly number[],
): Promise<Float64Array[]> {
  const counts = alignments.map(() => new Float64Array(names.length));
  const rows = Uint32Array.from({ length: embeddings.rows }, (_, i) => i);
  for await (const { begin, rows: count, width, similarities } of similarityBlocks(
    pool,
    embeddings,
    embeddings,
  ))
    for (let a = begin; a < begin + count; a++) {
      const right = rows.subarray(a + 1);
      const left = new Uint32Array(right.length).fill(a);
      const raw = similarities.subarray((a - begin) * width + a + 1, (a - begin + 1) * width);
      alignments.forEach(({ settings, stats }, i) => {
        const scores = alignScores(settings, { raw, left, right }, stats);
        for (let j = 0; j < scores.length; j++) {
          const [one, other] = [of[a]!, of[a + 1 + j]!];
          if (scores[j]! < thresholds[i]! || one === other) continue;
          counts[i]![one]!++;
          counts[i]![other]!++;
        }
      });
    }
  return counts;
}

function drawsOf(
  { genuine, histogram, impostors }: ScoredPairs,
  { of, photos }: Identities,
  above: Float64Array,
  resamples: IdentityResamples,
): Float64Array {
  const { scores, left } = descending(genuine);
  const shareAbove = sharesAbove(histogram);
  const accepted = scores.map((score) => shareAbove(score));
  const passing = above.reduce((sum, n) => sum + n, 0) / 2;
  const all = photos.reduce((sum, n) => sum + n, 0);
  // How much oftener than others the impostor pairs of a person pass, as a part of all that do.
  const excess = above.map(
    (n, i) => n / Math.max(1, passing) - (photos[i]! * (all - photos[i]!)) / Math.max(1, impostors),
  );
  return Float64Array.from({ length: resamples.count }, (_, draw) => {
    const weights = resamples.weights(draw);
    const factor = excess.reduce((sum, x, i) => sum + (weights[i]! - 1) * x, 1);
    const whole = left.reduce((sum, photo) => sum + weights[of[photo]!]!, 0);
    let rejected = whole;
    for (let j = 0; j < scores.length; j++) {
      rejected -= weights[of[left[j]!]!]!;
      if (factor * accepted[j]! >= rejected / whole) return (factor * accepted[j]! + rejected / whole) / 2;
    }
    return whole > 0 ? factor * (accepted.at(-1) ?? 0) : Number.NaN;
  });
}
