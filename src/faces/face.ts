import { FoilbankError } from '../errors.js';
import type { DetectorCard, EmbedderCard, LandmarksCard, Model } from '../onnx/index.js';
import type { Box, Point } from './geometry.js';
import type { PhotoOptions } from './photo.js';

export interface FaceModels {
  readonly detector: Model<DetectorCard>;
  readonly landmarks: Model<LandmarksCard>;
  readonly embedder: Model<EmbedderCard>;
}

export interface ReadOptions extends Partial<PhotoOptions> {
  /** `detect` looks for the face; `whole` takes the photo for a crop that one face fills; a box says where it is. Default `detect`. */
  readonly faceBox?: 'detect' | 'whole' | Box;
  /** Detections below this score are no faces. 0..1, default 0.5. */
  readonly minScore?: number;
}

/** What may be wrong with a face although it was read. */
export type FaceWarning = { readonly code: 'several-faces'; readonly message: string };

/** The face of a photo. */
export interface Face {
  readonly photo: string;
  /** Unit length, as many values as the embedder's card says. */
  readonly embedding: Float32Array;
  /** In photo pixels. */
  readonly box: Box;
  /** Of the detector, in 0..1; undefined where the box was given. */
  readonly score: number | undefined;
  /** 68 points in photo pixels. */
  readonly landmarks: readonly Point[];
  readonly warnings: readonly FaceWarning[];
}

/** @throws FoilbankError FB_OPTION_INVALID */
export function minScoreOf({ minScore = 0.5 }: ReadOptions): number {
  if (!(minScore > 0 && minScore < 1))
    throw new FoilbankError('FB_OPTION_INVALID', {
      option: 'minScore',
      value: minScore,
      expected: 'between 0 and 1',
    });
  return minScore;
}
