import { basename, dirname } from 'node:path';
import { FoilbankError } from '../errors.js';

/** Who each of n photos shows. */
export interface Identities {
  /** One label for each photo. */
  readonly labels: readonly string[];
  /** Every label once, in the order of first appearance. */
  readonly names: readonly string[];
  /** Index into `names` of each photo. */
  readonly of: Uint32Array;
  /** Photos of each identity. */
  readonly photos: Uint32Array;
  readonly genuine: number;
  readonly impostor: number;
}

export function identitiesOf(labels: readonly string[]): Identities {
  const known = new Map<string, number>();
  const of = Uint32Array.from(labels, (label) => {
    const index = known.get(label) ?? known.size;
    known.set(label, index);
    return index;
  });
  const photos = new Uint32Array(known.size);
  for (const index of of) photos[index]!++;
  const genuine = photos.reduce((sum, n) => sum + (n * (n - 1)) / 2, 0);
  return {
    ...{ labels, names: [...known.keys()], of, photos, genuine },
    impostor: (labels.length * (labels.length - 1)) / 2 - genuine,
  };
}

/** @throws FoilbankError FB_IDENTITIES_TOO_FEW unless there are genuine and impostor pairs */
export function checkIdentities({ names, genuine, impostor }: Identities): void {
  if (genuine > 0 && impostor > 0) return;
  throw new FoilbankError('FB_IDENTITIES_TOO_FEW', { identities: names.length, genuine, impostor });
}

/**
 * The identity that a photo's path tells: the folder that holds it inside `root`, or else the file's name without its number
 * (`Ann_Veneman_0003.jpg`, `ann-3.png`, `ann 3.webp`).
 */
export function identityOfPhoto(path: string, root: string): string {
  const folder = dirname(path);
  if (folder !== root && folder !== '.') return basename(folder);
  const stem = basename(path).replace(/\.[^.]*$/, '');
  return stem.replace(/[ _-]*\d+$/, '') || stem;
}
