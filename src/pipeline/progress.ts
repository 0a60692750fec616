/** How far a long step is. */
export interface Progress {
  readonly done: number;
  readonly total: number;
  /** Things a second, smoothed over the last stretch; 0 before the first. */
  readonly rate: number;
  /** Seconds left at that rate; Infinity before the first. */
  readonly eta: number;
}

/** Turns counts into rate and time left: an exponential average over `seconds`, so that a resumed run soon tells the truth. */
export class RateMeter {
  #done: number;
  #at: number;
  #rate = 0;

  constructor(
    private readonly total: number,
    /** What was there before this run: it counts as done but says nothing about speed. */
    already = 0,
    private readonly now: () => number = () => performance.now() / 1000,
    private readonly seconds = 10,
  ) {
    this.#done = already;
    this.#at = now();
  }

  /** @param done how many are done by now, those from before included */
  update(done: number): Progress {
    const now = this.now();
    const elapsed = now - this.#at;
    if (elapsed > 0 && done > this.#done) {
      const instant = (done - this.#done) / elapsed;
      const weight = this.#rate === 0 ? 1 : 1 - Math.exp(-elapsed / this.seconds);
      this.#rate += (instant - this.#rate) * weight;
      this.#done = done;
      this.#at = now;
    }
    const eta = this.#rate > 0 ? (this.total - done) / this.#rate : Number.POSITIVE_INFINITY;
    return { done, total: this.total, rate: this.#rate, eta };
  }
}
