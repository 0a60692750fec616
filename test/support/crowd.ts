import { bunchedVectors } from '../../bench/support/bunched-vectors.js';
import { UnitMatrix } from '../../src/vectors/index.js';

export interface CrowdOptions {
  readonly people: number;
  /** Photos of each. */
  readonly photos: number;
  readonly dimension: number;
  readonly seed: number;
  /** How far photos of a person lie from one another, beside how far people do. Default 0.6. */
  readonly noise?: number;
  /** How much of some people is what all faces have in common, from none of it up to this: those are like everybody. Default 0. */
  readonly commonness?: number;
}

/** Embeddings of people with several photos each, some people harder to tell apart than others. */
export function crowd({ people, photos, dimension, seed, noise = 0.6, commonness = 0 }: CrowdOptions) {
  const faces = bunchedVectors({ rows: people, dimension, seed, cosine: 0.3 });
  const changes = bunchedVectors({ rows: people * photos, dimension, seed: seed + 1000, cosine: 1e-6 });
  const values = new Float32Array(people * photos * dimension);
  for (let row = 0; row < people * photos; row++)
    for (let i = 0; i < dimension; i++)
      values[row * dimension + i] = faces.row(Math.floor(row / photos))[i]! + noise * changes.row(row)[i]!;
  if (commonness > 0)
    for (let row = 0; row < people * photos; row++)
      values[row * dimension]! += (commonness * (Math.floor(row / photos) % 8)) / 7;
  const labels = Array.from({ length: people * photos }, (_, row) => `person-${Math.floor(row / photos)}`);
  return { embeddings: UnitMatrix.normalise(values, dimension), labels };
}
