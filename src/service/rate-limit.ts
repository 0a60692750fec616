/** A bucket that fills at `rate` tokens a second up to a second's worth: bursts of a second are let through, more is not. */
export class TokenBucket {
  #tokens: number;
  #at: number;

  constructor(
    readonly rate: number,
    now: number,
  ) {
    this.#tokens = rate;
    this.#at = now;
  }

  /** @param now milliseconds of a clock that does not go back. @returns false when there is no token left */
  take(now: number): boolean {
    const holds = this.holds(now);
    if (holds) this.#tokens--;
    return holds;
  }

  /** Whether there is a token, which stays. @param now as in `take` */
  holds(now: number): boolean {
    this.#tokens = Math.min(this.rate, this.#tokens + ((now - this.#at) * this.rate) / 1000);
    this.#at = now;
    return this.#tokens >= 1;
  }
}
