import type { ScoredPairs } from './all-pairs.js';
import type { PairScores } from './pair-scores.js';

/** A pair that is decided otherwise after alignment. */
export interface Flip {
  readonly left: number;
  readonly right: number;
  readonly raw: number;
  readonly aligned: number;
}

/** Pairs whose decision changed, both scorings at thresholds of the same false accept rate; the clearest changes first. */
export interface Flips {
  /** Genuine pairs accepted only by the aligned score. */
  readonly found: readonly Flip[];
  /** Genuine pairs accepted only by the raw score. */
  readonly lost: readonly Flip[];
  /** Impostor pairs refused only by the aligned score. */
  readonly refused: readonly Flip[];
  /** Impostor pairs accepted only by the aligned score. */
  readonly admitted: readonly Flip[];
}

/**
 * @param raw, aligned the same pairs, scored in two ways
 * @param thresholds of both, at a false accept rate whose impostors are among the `highest`
 */
export function flipsBetween(
  raw: ScoredPairs,
  aligned: ScoredPairs,
  thresholds: { readonly raw: number; readonly aligned: number },
): Flips {
  const found: Flip[] = [];
  const lost: Flip[] = [];
  raw.genuine.scores.forEach((score, i) => {
    const after = aligned.genuine.scores[i]!;
    const [before, now] = [score > thresholds.raw, after > thresholds.aligned];
    if (before === now) return;
    const flip = { left: raw.genuine.left[i]!, right: raw.genuine.right[i]!, raw: score, aligned: after };
    (now ? found : lost).push(flip);
  });
  const [before, now] = [above(raw.highest, thresholds.raw), above(aligned.highest, thresholds.aligned)];
  const [allBefore, allNow] = [scoresOf(raw.highest), scoresOf(aligned.highest)];
  const only = (some: ReadonlyMap<string, number>, others: ReadonlyMap<string, number>): Flip[] =>
    [...some.keys()]
      .filter((pair) => !others.has(pair))
      .map((pair) => {
        const [left, right] = pair.split(' ').map(Number) as [number, number];
        // NaN: so low in the other scoring that it was not kept.
        return {
          left,
          right,
          raw: allBefore.get(pair) ?? Number.NaN,
          aligned: allNow.get(pair) ?? Number.NaN,
        };
      });
  const refused = only(before, now);
  const admitted = only(now, before);
  const clearest = (flips: Flip[], sign: number) =>
    flips.sort((a, b) => sign * (margin(b, thresholds) - margin(a, thresholds)));
  return {
    found: clearest(found, 1),
    lost: clearest(lost, -1),
    refused: clearest(refused, -1),
    admitted: clearest(admitted, 1),
  };
}

/** How far the aligned score lies above its threshold. What was not kept lies further below than anything that was. */
const margin = ({ aligned }: Flip, thresholds: { readonly aligned: number }): number =>
  Number.isNaN(aligned) ? Number.MIN_SAFE_INTEGER : aligned - thresholds.aligned;

function scoresOf({ scores, left, right }: PairScores): Map<string, number> {
  const map = new Map<string, number>();
  // The highest some thousands are enough to say how a pair scored before; the rest would be objects by the million.
  for (let i = 0; i < Math.min(scores.length, 50_000); i++) map.set(`${left[i]} ${right[i]}`, scores[i]!);
  return map;
}

function above({ scores, left, right }: PairScores, threshold: number): Map<string, number> {
  const map = new Map<string, number>();
  for (let i = 0; i < scores.length && scores[i]! > threshold; i++)
    map.set(`${left[i]} ${right[i]}`, scores[i]!);
  return map;
}
