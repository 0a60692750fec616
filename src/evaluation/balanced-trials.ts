import type { Identities } from './identities.js';
import type { PairTrials } from './pair-trials.js';
import { randomFrom, shuffled } from './random.js';

/**
 * Labelled pairs for a fold accuracy where nobody listed any: pairs of one person, at most `most`, and as many pairs of two people, all
 * drawn at random. Those of one person stay together.
 *
 * @param identities of at least two people
 */
export function balancedTrials({ of, genuine }: Identities, most: number, seed: number): PairTrials {
  const photos = new Map<number, number[]>();
  of.forEach((person, photo) => {
    const list = photos.get(person);
    if (list) list.push(photo);
    else photos.set(person, [photo]);
  });
  const taken = new Uint8Array(genuine);
  for (const pair of shuffled(genuine, seed).subarray(0, most)) taken[pair] = 1;
  const [left, right]: [number[], number[]] = [[], []];
  let pair = 0;
  for (const list of photos.values())
    for (const [i, a] of list.entries())
      for (const b of list.slice(i + 1)) {
        if (taken[pair++] === 0) continue;
        left.push(a);
        right.push(b);
      }
  const count = left.length;
  const random = randomFrom(seed + 1);
  const any = () => Math.floor(random() * of.length);
  while (left.length < 2 * count) {
    const [a, b] = [any(), any()];
    if (of[a] === of[b]) continue;
    left.push(a);
    right.push(b);
  }
  return {
    ...{ left: Uint32Array.from(left), right: Uint32Array.from(right) },
    genuine: Uint8Array.from(left, (_, i) => (i < count ? 1 : 0)),
  };
}
