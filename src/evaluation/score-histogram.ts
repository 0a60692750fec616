/** 2^16 bins resolve a range of scores to five digits. */
const BINS = 2 ** 16;

/** Genuine and impostor scores, counted in bins of one width. The range grows with the scores, so nobody has to know it. */
export class ScoreHistogram {
  readonly genuine = new Float64Array(BINS);
  readonly impostor = new Float64Array(BINS);
  #low = -1;
  #width = 2 / BINS;

  /** Lower edge of bin `bin`; of the number of bins: the upper edge of the last. */
  edge(bin: number): number {
    return this.#low + bin * this.#width;
  }

  /** @param score finite */
  add(score: number, genuine: boolean): void {
    let bin = Math.floor((score - this.#low) / this.#width);
    while (bin < 0 || bin >= BINS) {
      this.#double(bin < 0);
      bin = Math.floor((score - this.#low) / this.#width);
    }
    if (genuine) this.genuine[bin]!++;
    else this.impostor[bin]!++;
  }

  /** Twice the width: two bins become one, and the other half of them is new. */
  #double(downward: boolean): void {
    const begin = downward ? BINS / 2 : 0;
    for (const counts of [this.genuine, this.impostor]) {
      const merged = Float64Array.from({ length: BINS / 2 }, (_, i) => counts[2 * i]! + counts[2 * i + 1]!);
      counts.fill(0).set(merged, begin);
    }
    if (downward) this.#low -= this.#width * BINS;
    this.#width *= 2;
  }
}

/** A point of the ROC curve: the shares of impostor and genuine pairs at or above a threshold. */
export interface RocPoint {
  readonly threshold: number;
  readonly far: number;
  readonly tar: number;
}

/** From (0, 0) to (1, 1), one point wherever a count changes. */
export function rocOf(histogram: ScoreHistogram): RocPoint[] {
  const { genuine, impostor } = histogram;
  const [genuines, impostors] = [total(genuine), total(impostor)];
  const points: RocPoint[] = [{ threshold: histogram.edge(BINS), far: 0, tar: 0 }];
  let [far, tar] = [0, 0];
  for (let bin = BINS - 1; bin >= 0; bin--) {
    if (genuine[bin] === 0 && impostor[bin] === 0) continue;
    far += impostor[bin]!;
    tar += genuine[bin]!;
    points.push({ threshold: histogram.edge(bin), far: far / impostors, tar: tar / genuines });
  }
  return points;
}

const STEPS_A_DECADE = 8;

/** The curve as [far, tar] at even steps of log far, from the smallest rate that the impostor pairs can show to 1. */
export function rocSteps(histogram: ScoreHistogram): [number, number][] {
  const roc = rocOf(histogram);
  const first = Math.ceil(-Math.log10(total(histogram.impostor)) * STEPS_A_DECADE - 1e-9);
  let at = 0;
  return Array.from({ length: 1 - first }, (_, i) => {
    const far = 10 ** ((first + i) / STEPS_A_DECADE);
    while (at + 1 < roc.length && roc[at + 1]!.far <= far * (1 + 1e-12)) at++;
    return [far, roc[at]!.tar];
  });
}

/** Where false accepts and false rejects are equally many; between two points of the curve on the line that joins them. */
export function equalErrorRate(roc: readonly RocPoint[]): {
  readonly rate: number;
  readonly threshold: number;
} {
  const after = roc.findIndex(({ far, tar }) => far >= 1 - tar);
  const [a, b] = [roc[Math.max(0, after - 1)]!, roc[after]!];
  const gap = ({ far, tar }: RocPoint) => far - (1 - tar);
  const share = gap(b) === gap(a) ? 0 : -gap(a) / (gap(b) - gap(a));
  return { rate: a.far + share * (b.far - a.far), threshold: b.threshold };
}

/** Share of the impostor pairs in the bin of a score and above. */
export function sharesAbove(histogram: ScoreHistogram): (score: number) => number {
  const shares = new Float64Array(BINS + 1);
  for (let bin = BINS - 1; bin >= 0; bin--) shares[bin] = shares[bin + 1]! + histogram.impostor[bin]!;
  const [low, all] = [histogram.edge(0), shares[0]!];
  const width = histogram.edge(1) - low;
  return (score) => shares[Math.max(0, Math.min(BINS, Math.floor((score - low) / width)))]! / all;
}

const total = (counts: Float64Array): number => counts.reduce((sum, n) => sum + n, 0);
