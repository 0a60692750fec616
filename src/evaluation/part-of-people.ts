import type { ScoredPairs } from './all-pairs.js';
import type { Identities } from './identities.js';
import type { PairScores } from './pair-scores.js';

/** Scored pairs and who is in them. */
export interface Judged {
  readonly scored: ScoredPairs;
  /** With the names of the whole collection, so that its resamples are theirs too. */
  readonly identities: Identities;
}

/**
 * The pairs of two photos of some of the people. What was scored once serves every part of a collection: of the highest impostor pairs a
 * part has its share. The histogram stays that of the whole.
 *
 * @param inside 1 for each identity that is in the part
 */
export function partOfPeople({ scored, identities }: Judged, inside: Uint8Array): Judged {
  const part = identitiesWithin(identities, inside);
  const whole = scored.highest.scores.length === scored.impostors;
  const highest = pairsWithin(scored.highest, identities, inside);
  return {
    identities: part,
    scored: {
      ...{ genuine: pairsWithin(scored.genuine, identities, inside), highest, histogram: scored.histogram },
      impostors: whole ? highest.scores.length : part.impostor,
    },
  };
}

/** The same names and photos, but only those inside have any pairs. */
function identitiesWithin(identities: Identities, inside: Uint8Array): Identities {
  const photos = identities.photos.map((n, identity) => n * inside[identity]!);
  const all = photos.reduce((sum, n) => sum + n, 0);
  const genuine = photos.reduce((sum, n) => sum + (n * (n - 1)) / 2, 0);
  return { ...identities, photos, genuine, impostor: (all * (all - 1)) / 2 - genuine };
}

function pairsWithin(
  { scores, left, right }: PairScores,
  { of }: Identities,
  inside: Uint8Array,
): PairScores {
  const kept = Uint32Array.from(scores.keys()).filter((i) => inside[of[left[i]!]!] && inside[of[right[i]!]!]);
  return {
    scores: Float64Array.from(kept, (i) => scores[i]!),
    left: Uint32Array.from(kept, (i) => left[i]!),
    right: Uint32Array.from(kept, (i) => right[i]!),
  };
}
