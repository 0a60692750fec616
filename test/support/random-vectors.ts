import { UnitMatrix } from '../../src/vectors/index.js';

/** Uniform numbers in [0, 1), the same for the same seed: mulberry32. */
export function uniform(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Standard normal numbers (Box–Muller). */
export function normal(seed: number): () => number {
  const random = uniform(seed);
  return () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Unit vectors around a direction: mean + spread·noise, normalised. */
export function cloudAround(
  mean: readonly number[],
  spread: readonly number[],
  rows: number,
  seed: number,
): UnitMatrix {
  const next = normal(seed);
  const d = mean.length;
  const data = Float32Array.from({ length: rows * d }, (_, i) => mean[i % d]! + spread[i % d]! * next());
  return UnitMatrix.normalise(data, d, 'cloud');
}
