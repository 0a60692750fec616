import { setImmediate } from 'node:timers/promises';
import { throwIfCancelled } from '../errors.js';
import { randomFrom } from '../evaluation/index.js';

/**
 * Accuracy of scores on labelled pairs, and whether a difference of two accuracies is more than the pairs' own chance.
 *
 * The figure is the area under the ROC curve: the chance that a genuine pair scores higher than an impostor pair, ties counting
 * half. It needs no threshold and uses every pair, while an equal error rate or a true accept rate at a low false accept rate
 * hangs on the few pairs next to one threshold: see docs/refresh-gates.md for how they were compared.
 */

/** Scores in ascending order, so that any weights of the pairs give an area in one pass. */
class Ranking {
  readonly #order: Uint32Array;

  constructor(
    private readonly scores: Float64Array,
    private readonly genuine: Uint8Array,
  ) {
    this.#order = Uint32Array.from(scores.keys()).sort((a, b) => scores[a]! - scores[b]!);
  }

  /** @param weights how often each pair counts */
  area(weights?: Uint32Array): number {
    const { scores, genuine } = this;
    const order = this.#order;
    let impostorsBelow = 0;
    let genuines = 0;
    let above = 0;
    for (let begin = 0; begin < order.length; ) {
      const score = scores[order[begin]!]!;
      let [tiedGenuine, tiedImpostor] = [0, 0];
      let end = begin;
      for (; end < order.length && scores[order[end]!] === score; end++) {
        const pair = order[end]!;
        const weight = weights ? weights[pair]! : 1;
        if (genuine[pair]) tiedGenuine += weight;
        else tiedImpostor += weight;
      }
      above += tiedGenuine * (impostorsBelow + tiedImpostor / 2);
      impostorsBelow += tiedImpostor;
      genuines += tiedGenuine;
      begin = end;
    }
    return above / (genuines * impostorsBelow);
  }
}

export interface AccuracyChange {
  readonly before: number;
  readonly after: number;
  /** Half the width of the 95 % interval of after − before: 1.96 standard deviations over the resamples. */
  readonly noise: number;
}

const RESAMPLES = 1000;

/**
 * Both areas and the chance in their difference, by a paired bootstrap: genuine and impostor pairs are drawn again with
 * replacement, each kind for itself, and both scores are judged on the same draw. Draws are seeded: the same scores give the same
 * figures.
 *
 * @param before, after scores of the same pairs
 * @throws FoilbankError FB_CANCELLED
 */
export async function compareAccuracy(
  before: Float64Array,
  after: Float64Array,
  genuine: Uint8Array,
  signal?: AbortSignal,
): Promise<AccuracyChange> {
  const [old, now] = [new Ranking(before, genuine), new Ranking(after, genuine)];
  const kinds = [1, 0].map((kind) => Uint32Array.from(genuine.keys()).filter((i) => genuine[i] === kind));
  const random = randomFrom(0x9e3779b9);
  const differences = new Float64Array(RESAMPLES);
  for (let resample = 0; resample < RESAMPLES; resample++) {
    const weights = new Uint32Array(genuine.length);
    for (const pairs of kinds)
      for (let draw = 0; draw < pairs.length; draw++) weights[pairs[Math.floor(random() * pairs.length)]!]!++;
    differences[resample] = now.area(weights) - old.area(weights);
    throwIfCancelled(signal, 'the comparison of accuracies');
    await setImmediate();
  }
  const mean = differences.reduce((sum, x) => sum + x, 0) / RESAMPLES;
  const variance = differences.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (RESAMPLES - 1);
  return { before: old.area(), after: now.area(), noise: 1.96 * Math.sqrt(variance) };
}
