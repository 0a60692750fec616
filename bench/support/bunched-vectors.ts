import { UnitMatrix } from '../../src/vectors/index.js';

export interface BunchedOptions {
  readonly rows: number;
  readonly dimension: number;
  readonly seed: number;
  /** Mean cosine of two vectors. dlib-type embeddings of different people: about 0.84. */
  readonly cosine?: number;
  /** The variance along axis i falls as exp(-i/decay); 13 gives the participation ratio of LFW embeddings, 26. */
  readonly decay?: number;
}

/**
 * Vectors that crowd as dlib-type face embeddings do: one mean direction for all, and an anisotropic Gaussian about it. All
 * seeds share the mean and the axes, so that matrices of different seeds can be candidates and queries of one another.
 */
export function bunchedVectors(options: BunchedOptions): UnitMatrix {
  const { rows, dimension, seed, cosine = 0.84, decay = 13 } = options;
  const common = gaussian(1);
  const mean = Float64Array.from({ length: dimension }, common);
  const meanLength = Math.hypot(...mean);
  const spectrum = Float64Array.from({ length: dimension }, (_, i) => Math.exp(-i / decay));
  const total = spectrum.reduce((sum, v) => sum + v, 0);
  // For a unit mean and total variance V, the expected cosine is near 1/(1 + V).
  const deviations = spectrum.map((v) => Math.sqrt((v / total) * (1 / cosine - 1)));
  const draw = gaussian(seed + 2);
  const values = new Float32Array(rows * dimension);
  for (let i = 0; i < values.length; i++) {
    const axis = i % dimension;
    values[i] = mean[axis]! / meanLength + deviations[axis]! * draw();
  }
  return UnitMatrix.normalise(values, dimension);
}

/** Standard normal numbers: Box–Muller on a splitmix32 sequence. */
function gaussian(seed: number): () => number {
  let state = Math.imul(seed, 0x9e3779b9) >>> 0;
  const uniform = () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (((z ^ (z >>> 15)) >>> 0) + 0.5) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}
