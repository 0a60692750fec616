/** Scores of pairs: pair i compares photos `left[i]` and `right[i]`. */
export interface PairScores {
  readonly scores: Float64Array;
  readonly left: Uint32Array;
  readonly right: Uint32Array;
}

/** Pairs one after the other, in typed arrays that grow: a million pairs as objects would not fit. */
export class PairList {
  #scores = new Float64Array(1024);
  #left = new Uint32Array(1024);
  #right = new Uint32Array(1024);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(score: number, left: number, right: number): void {
    if (this.#length === this.#scores.length) this.#grow();
    this.#scores[this.#length] = score;
    this.#left[this.#length] = left;
    this.#right[this.#length] = right;
    this.#length++;
  }

  /** A view; what is pushed later is not in it. */
  view(): PairScores {
    return {
      scores: this.#scores.subarray(0, this.#length),
      left: this.#left.subarray(0, this.#length),
      right: this.#right.subarray(0, this.#length),
    };
  }

  /** Keeps the pairs that score at least `least`. */
  keepFrom(least: number): void {
    let kept = 0;
    for (let i = 0; i < this.#length; i++) {
      if (this.#scores[i]! < least) continue;
      this.#scores[kept] = this.#scores[i]!;
      this.#left[kept] = this.#left[i]!;
      this.#right[kept++] = this.#right[i]!;
    }
    this.#length = kept;
  }

  #grow(): void {
    const size = this.#scores.length * 2;
    const [scores, left, right] = [new Float64Array(size), new Uint32Array(size), new Uint32Array(size)];
    scores.set(this.#scores);
    left.set(this.#left);
    right.set(this.#right);
    [this.#scores, this.#left, this.#right] = [scores, left, right];
  }
}

/** The pairs of the highest scores, without holding the others: at most about twice `wanted` at a time. */
export class HighestPairs {
  readonly #list = new PairList();
  #least = Number.NEGATIVE_INFINITY;

  constructor(private readonly wanted: number) {}

  /** Scores below this are not wanted any more. */
  get least(): number {
    return this.#least;
  }

  push(score: number, left: number, right: number): void {
    if (score < this.#least) return;
    this.#list.push(score, left, right);
    if (this.#list.length >= 2 * this.wanted + 1024) this.#prune();
  }

  /** At least the `wanted` highest (all where there are fewer), the highest first. */
  sorted(): PairScores {
    return descending(this.#list.view());
  }

  #prune(): void {
    const { scores } = this.#list.view();
    const least = scores.slice().sort()[scores.length - this.wanted]!;
    // Where a great many scores are equal to the least there is nothing to prune, and the list grows.
    this.#least = Math.max(this.#least, least);
    this.#list.keepFrom(this.#least);
  }
}

/** The same pairs, the highest score first. */
export function descending({ scores, left, right }: PairScores): PairScores {
  const order = Uint32Array.from(scores.keys()).sort((a, b) => scores[b]! - scores[a]! || a - b);
  return {
    scores: Float64Array.from(order, (i) => scores[i]!),
    left: Uint32Array.from(order, (i) => left[i]!),
    right: Uint32Array.from(order, (i) => right[i]!),
  };
}
