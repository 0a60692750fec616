import { throwIfCancelled } from '../errors.js';
import type { InferencePool } from '../onnx/index.js';
import { alignScores } from '../scoring/index.js';
import type { UnitMatrix } from '../vectors/index.js';
import type { Alignment } from './all-pairs.js';
import type { Identities } from './identities.js';
import { shuffled } from './random.js';
import { similarityBlocks } from './similarity-blocks.js';

/** How well people are found in a gallery of so many. */
export interface IdentificationPoint {
  /** Identities in the gallery, one photo each. */
  readonly gallery: number;
  /** Share of the probes of enrolled people whose best match is themselves. */
  readonly rank1: number;
  /** Share of the probes of strangers whose best match passes the threshold: false positive identification rate. */
  readonly fpir: number;
  /** Share of the probes of enrolled people whose best match is themselves and passes it. */
  readonly tpir: number;
  /** {@link tpir} at the threshold that keeps the FPIR at or below 1 %; NaN where there are fewer than 100 probes of strangers. */
  readonly tpirAtOnePercent: number;
  readonly probes: { readonly enrolled: number; readonly strangers: number };
}

export interface IdentificationOptions {
  /** Thresholds, one an alignment: {@link IdentificationPoint.fpir} and `tpir` are at it, whatever the gallery's size. */
  readonly thresholds: readonly number[];
  readonly seed?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Open-set identification by gallery size. Galleries are nested: half of the people, in a random order, and of each the first photo. Their
 * other photos are probes of enrolled people; photos of people outside a gallery are probes of strangers.
 *
 * @returns for each alignment the points, by gallery size
 * @throws FoilbankError FB_SUPPORT_EMPTY, FB_CANCELLED, and what the pool throws
 */
export async function identify(
  pool: InferencePool,
  embeddings: UnitMatrix,
  identities: Identities,
  alignments: readonly Alignment[],
  { thresholds, seed = 1, signal }: IdentificationOptions,
): Promise<IdentificationPoint[][]> {
  const { names, of } = identities;
  const first = new Int32Array(names.length).fill(-1);
  of.forEach((identity, photo) => {
    if (first[identity] === -1) first[identity] = photo;
  });
  const place = new Uint32Array(names.length);
  shuffled(names.length, seed).forEach((identity, i) => {
    place[identity] = i;
  });
  const largest = Math.floor(names.length / 2);
  const sizes = gallerySizes(largest);
  // Enrolled people in the order of their places: a gallery of g people is the first g columns.
  const enrolled = Uint32Array.from({ length: names.length }, (_, i) => i)
    .sort((a, b) => place[a]! - place[b]!)
    .subarray(0, largest);
  const columns = Uint32Array.from(enrolled, (identity) => first[identity]!);
  const tallies = alignments.map(() => sizes.map(() => new Tally()));
  const references = embeddings.gather(columns);
  for await (const { begin, rows, width, similarities } of similarityBlocks(pool, embeddings, references)) {
    throwIfCancelled(signal, 'identification');
    for (let probe = begin; probe < begin + rows; probe++) {
      const identity = of[probe]!;
      // The photo that stands in a gallery is a probe of none.
      if (first[identity] === probe && place[identity]! < largest) continue;
      const raw = similarities.subarray((probe - begin) * width, (probe - begin + 1) * width);
      const left = new Uint32Array(width).fill(probe);
      alignments.forEach(({ settings, stats }, i) => {
        const scores = alignScores(settings, { raw, left, right: columns }, stats);
        let best = 0;
        let at = 0;
        sizes.forEach((size, g) => {
          for (; at < size; at++) if (scores[at]! > scores[best]!) best = at;
          const inGallery = place[identity]! < size;
          tallies[i]![g]!.add(scores[best]!, inGallery, enrolled[best] === identity);
        });
      });
    }
  }
  return tallies.map((row, i) => row.map((tally, g) => tally.point(sizes[g]!, thresholds[i]!)));
}

/** Powers of two times 50, and the largest. */
function gallerySizes(largest: number): number[] {
  const sizes: number[] = [];
  for (let size = 50; size < largest / 1.3; size *= 2) sizes.push(size);
  return [...sizes, largest];
}

/** Best matches of the probes of one gallery. */
class Tally {
  readonly #right: number[] = [];
  readonly #strangers: number[] = [];
  #enrolled = 0;

  add(best: number, inGallery: boolean, right: boolean): void {
    if (!inGallery) this.#strangers.push(best);
    else this.#enrolled++;
    if (inGallery && right) this.#right.push(best);
  }

  point(gallery: number, threshold: number): IdentificationPoint {
    const enrolled = this.#enrolled;
    const strangers = Float64Array.from(this.#strangers).sort().reverse();
    const shareAbove = (limit: number) => this.#right.filter((score) => score > limit).length / enrolled;
    const onePercent = strangers[Math.floor(strangers.length / 100)];
    return {
      gallery,
      rank1: this.#right.length / enrolled,
      fpir: strangers.filter((score) => score > threshold).length / strangers.length,
      tpir: shareAbove(threshold),
      tpirAtOnePercent: strangers.length < 100 ? Number.NaN : shareAbove(onePercent!),
      probes: { enrolled, strangers: strangers.length },
    };
  }
}
