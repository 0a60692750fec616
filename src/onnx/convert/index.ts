import { detectorGraph } from './detector.js';
import { landmarksGraph } from './landmarks.js';
import { recogniserGraph } from './recogniser.js';
import { type PublishedWeights, readWeights } from './weights.js';

const CONVERTERS = {
  detector: detectorGraph,
  landmarks: landmarksGraph,
  recogniser: recogniserGraph,
} as const;

/** The networks that can be converted from the weights of the npm package `@vladmandic/face-api`. */
export type ConverterName = keyof typeof CONVERTERS;
export const isConverterName = (name: string): name is ConverterName => Object.hasOwn(CONVERTERS, name);

/** Where the package keeps the files of the weights named `weights`. */
export const publishedFiles = (weights: string) => ({
  manifest: `model/${weights}-weights_manifest.json`,
  binary: `model/${weights}.bin`,
});

/**
 * Converts published TensorFlow.js weights to an ONNX graph. A pure function: the same bytes in, the same bytes out, so
 * that a card can fix the graph's sha256.
 * @throws FoilbankError FB_WEIGHTS_UNREADABLE
 */
export function convertPublished(converter: ConverterName, published: PublishedWeights): Uint8Array {
  return CONVERTERS[converter](readWeights(published));
}
