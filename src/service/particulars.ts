import type { AlignScoresRequest, Source } from '../gen/index.js';

/** What a trace tells of a call besides its name and end: names and numbers only. */
export interface Particulars {
  readonly bank?: string;
  readonly version?: string;
  /** Embeddings or photos of the request. */
  readonly size?: number;
}

/** The fields by which the contract's messages say how much is asked, and what a reply was computed with. */
interface Asked {
  readonly embeddings?: readonly unknown[];
  readonly photos?: readonly unknown[];
  readonly comparisons?: AlignScoresRequest['comparisons'];
}
interface Answered {
  readonly source?: Source;
  readonly comparison?: { readonly source?: Source };
}

function sizeOf(request: object): number | undefined {
  const { embeddings, photos, comparisons } = request as Asked;
  if (comparisons?.case === 'pairs') return 2 * comparisons.value.pairs.length;
  if (comparisons?.case === 'grid') return comparisons.value.probes.length + comparisons.value.gallery.length;
  return (embeddings ?? photos)?.length;
}

/** @param messages of a unary call. @returns only what they have */
export function particularsOf(request: object, response: object): Particulars {
  const size = sizeOf(request);
  const { source, comparison } = response as Answered;
  const told = source ?? comparison?.source;
  return {
    ...(told ? { bank: told.bank, version: told.version } : {}),
    ...(size === undefined ? {} : { size }),
  };
}
