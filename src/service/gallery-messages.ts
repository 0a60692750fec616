import type { PackedError } from '../onnx/index.js';
import type { Spread } from './histogram.js';

/** What a gallery thread is started for: it does one thing, answers and ends. */
export interface GalleryTask {
  readonly what: 'seeds' | 'spread';
  /** The store's location: every thread opens it itself. */
  readonly store: string;
  readonly bank: string;
  readonly version: string;
}

/** How a version's candidates are spread, measured on 500 to 2,000 of them. */
export interface VersionSpread {
  /** r of each against all others, at the recommended K. */
  readonly r: Spread;
  /** Similarity of pairs of different ones. */
  readonly similarity: Spread;
}

export type FromGallery =
  /** Of all candidates, in the order of the bank: ascending. */
  | { readonly kind: 'seeds'; readonly seeds: Float64Array }
  | { readonly kind: 'spread'; readonly spread: VersionSpread }
  | { readonly kind: 'failed'; readonly error: PackedError };
