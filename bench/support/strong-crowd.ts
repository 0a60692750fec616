import { latents } from '../../src/synthesis/index.js';
import { UnitMatrix } from '../../src/vectors/index.js';

const D = 512;
/** Variance of direction i falls as (i + 1) to this power: hardly, as strong embedders spread people evenly. */
const FALL = -0.3;
/** Share of the photos that are bad, and how much of their embedding is the person, in both kinds. */
const BAD = { share: 0.15, least: 0.1, most: 0.6 };
const GOOD = { mean: 0.8, deviation: 0.06, most: 0.97 };
/** How far bad photos, and virtual faces, go towards what all unrecognisable faces have in common (variance of what is not the person). */
const [PHOTOS_DRIFT, FACES_DRIFT] = [0.1, 0.5];
const FACES = { mean: 0.75, deviation: 0.08 };

export interface StrongCrowd {
  readonly photos: UnitMatrix;
  readonly labels: readonly string[];
  readonly faces: UnitMatrix;
}

/**
 * Embeddings as a strong 512-d embedder might give: raw is already good, strangers lie almost evenly, bad photos drift to one place, and virtual
 * faces lie halfway there. A simulation and no measurement: no such weights could be had. Its figures were set by those that a real
 * embedder of the kind gave on LFW: true accept rate about 94 % at FAR 1e-4, a cohort of real strangers neither gains nor loses half a point, virtual faces
 * with `standardise` lose one to two.
 *
 * @param photosOf number of photos of each person
 */
export function strongCrowd(photosOf: readonly number[], faces: number, seed: number): StrongCrowd {
  let next = seed * 1e7;
  const normals = (rows: number, width: number): Float32Array =>
    latents(
      Array.from({ length: rows }, () => next++),
      width,
    );
  const people = direction(normals(photosOf.length, D));
  const owners = photosOf.flatMap((count, person) => new Array<number>(count).fill(person));
  const quality = normals(owners.length, 3);
  const clear = owners.map((_, i) => {
    const [a, b, c] = [0, 1, 2].map((j) => quality[3 * i + j]!) as [number, number, number];
    // Of a normal number the share below it is even between 0 and 1.
    if (shareBelow(a) < BAD.share) return BAD.least + (BAD.most - BAD.least) * shareBelow(b);
    return Math.min(GOOD.most, GOOD.mean + GOOD.deviation * c);
  });
  const strangers = direction(normals(faces, D));
  const clearness = Array.from(normals(faces, 1), (x) =>
    Math.min(GOOD.most, FACES.mean + FACES.deviation * x),
  );
  const every = Array.from({ length: faces }, (_, i) => i);
  return {
    photos: seen(people, owners, clear, direction(normals(owners.length, D)), PHOTOS_DRIFT),
    labels: owners.map((person) => `person-${person}`),
    faces: seen(strangers, every, clearness, direction(normals(faces, D)), FACES_DRIFT),
  };
}

/** Rows as directions with the spectrum. */
function direction(values: Float32Array): UnitMatrix {
  return UnitMatrix.normalise(
    values.map((x, i) => x * ((i % D) + 1) ** (FALL / 2)),
    D,
  );
}

/** Photos: what is clear of a person, and for the rest some way of its own and some of the common one, the last direction. */
function seen(
  people: UnitMatrix,
  owners: readonly number[],
  clear: readonly number[],
  noise: UnitMatrix,
  drift: number,
): UnitMatrix {
  const values = new Float32Array(owners.length * D);
  owners.forEach((person, row) => {
    const rest = Math.sqrt(1 - clear[row]! ** 2);
    for (let i = 0; i < D; i++)
      values[row * D + i] =
        clear[row]! * people.row(person)[i]! +
        rest * (Math.sqrt(1 - drift) * noise.row(row)[i]! + (i === D - 1 ? Math.sqrt(drift) : 0));
  });
  return UnitMatrix.normalise(values, D);
}

/** Share of a normal distribution below x, to four digits (logistic in x: Bowling et al. 2009). */
const shareBelow = (x: number): number => 1 / (1 + Math.exp(-0.07056 * x ** 3 - 1.5976 * x));
