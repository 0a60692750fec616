export interface Sample {
  /** Milliseconds. */
  readonly at: number;
  readonly bytes: number;
}

/** Bytes a second by least squares, with the standard error of it. */
export function slopeOf(samples: readonly Sample[]): { slope: number; error: number } {
  const mean = (of: (s: Sample) => number) => samples.reduce((sum, s) => sum + of(s), 0) / samples.length;
  const [at, bytes] = [mean((s) => s.at), mean((s) => s.bytes)];
  const spread = samples.reduce((sum, s) => sum + (s.at - at) ** 2, 0);
  const slope = samples.reduce((sum, s) => sum + (s.at - at) * (s.bytes - bytes), 0) / spread;
  const left = samples.reduce((sum, s) => sum + (s.bytes - bytes - slope * (s.at - at)) ** 2, 0);
  const error = Math.sqrt(left / Math.max(1, samples.length - 2) / spread);
  return { slope: 1000 * slope, error: 1000 * error };
}

/** The least of every `each` samples: what is held, without what only waits to be collected. */
export function floorOf(samples: readonly Sample[], each: number): Sample[] {
  const floors: Sample[] = [];
  for (let i = 0; i + each <= samples.length; i += each)
    floors.push(samples.slice(i, i + each).reduce((a, b) => (b.bytes < a.bytes ? b : a)));
  return floors;
}
