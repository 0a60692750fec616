import type { InferencePool } from '../onnx/index.js';
import { alignScores } from '../scoring/index.js';
import type { UnitMatrix } from '../vectors/index.js';
import type { Alignment } from './all-pairs.js';
import type { Identities } from './identities.js';
import { similarityBlocks } from './similarity-blocks.js';

/** How differently groups of people fare at one threshold for all. */
export interface GroupSpread {
  readonly groups: readonly {
    readonly group: string;
    readonly photos: number;
    /** Impostor pairs inside the group. */
    readonly impostors: number;
    readonly genuine: number;
    /** Share of those that pass: false match rate. */
    readonly fmr: number;
    /** Share of the genuine pairs inside the group that do not pass: false non-match rate. NaN without such pairs. */
    readonly fnmr: number;
  }[];
  /**
   * The highest false match rate by the lowest, each taken as (matches + ½) / (pairs + 1), so that a group without any false match does
   * not make it infinite. Groups of fewer than `LEAST_PAIRS` impostor pairs are left out.
   */
  readonly worstByBest: number;
  /** Population standard deviation of log₁₀ of the same rates. */
  readonly deviation: number;
}

/** A group with fewer impostor pairs than this says nothing. */
const LEAST_PAIRS = 1000;

/**
 * False match rates inside each group at one global threshold, for every alignment: pairs of two people of one group, who resemble each
 * other more than people of two.
 *
 * @param groups label of each photo; undefined leaves it out
 * @param thresholds one an alignment
 */
export async function groupSpreads(
  pool: InferencePool,
  embeddings: UnitMatrix,
  { of }: Identities,
  groups: readonly (string | undefined)[],
  alignments: readonly Alignment[],
  thresholds: readonly number[],
): Promise<GroupSpread[]> {
  const labels = [...new Set(groups.filter((g) => g !== undefined))].sort();
  const counts = alignments.map(() =>
    labels.map(() => ({ impostors: 0, matches: 0, genuine: 0, missed: 0 })),
  );
  const members = labels.map((label) => Uint32Array.from(groups.keys()).filter((i) => groups[i] === label));
  for (const [g, rows] of members.entries()) {
    const some = embeddings.gather(rows);
    for await (const { begin, rows: count, width, similarities } of similarityBlocks(pool, some, some))
      for (let a = begin; a < begin + count; a++) {
        const right = rows.subarray(a + 1);
        const raw = similarities.subarray((a - begin) * width + a + 1, (a - begin + 1) * width);
        const left = new Uint32Array(right.length).fill(rows[a]!);
        alignments.forEach(({ settings, stats }, i) => {
          const scores = alignScores(settings, { raw, left, right }, stats);
          const tally = counts[i]![g]!;
          for (let j = 0; j < scores.length; j++) {
            const passes = scores[j]! > thresholds[i]!;
            if (of[rows[a]!] === of[right[j]!]) {
              tally.genuine++;
              if (!passes) tally.missed++;
            } else {
              tally.impostors++;
              if (passes) tally.matches++;
            }
          }
        });
      }
  }
  return counts.map((tallies) => {
    const counted = tallies.filter(({ impostors }) => impostors >= LEAST_PAIRS);
    const logs = counted.map(({ matches, impostors }) => Math.log10((matches + 0.5) / (impostors + 1)));
    const mean = logs.reduce((sum, x) => sum + x, 0) / logs.length;
    return {
      groups: tallies.map(({ impostors, matches, genuine, missed }, g) => ({
        ...{ group: labels[g]!, photos: members[g]!.length, impostors, genuine },
        ...{ fmr: matches / impostors, fnmr: missed / genuine },
      })),
      worstByBest: 10 ** (Math.max(...logs) - Math.min(...logs)),
      deviation: Math.sqrt(logs.reduce((sum, x) => sum + (x - mean) ** 2, 0) / logs.length),
    };
  });
}
