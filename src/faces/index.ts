export { alignment, betweenTemplates, leastSquaresSimilarity } from './align.js';
export { PhotoChips } from './chip.js';
export { type Detection, FaceDetector } from './detect.js';
export { Embedder } from './embedder.js';
export type { Face, FaceModels, FaceWarning, ReadOptions } from './face.js';
export { FaceReader, type FaceResult } from './face-reader.js';
export { type Affine, apply, type Box, compose, invert, type Point, similarity } from './geometry.js';
export { checkGolden, goldenOutputs } from './golden.js';
export { ImageChips, type ImageFormat } from './image-chips.js';
export { LandmarkFinder } from './landmarks.js';
export { decodePhoto, type Photo, type PhotoOptions, resolvePhotoOptions } from './photo.js';
export {
  type EmbedPhotosOptions,
  type PhotoChange,
  type PhotoEmbeddingOptions,
  PhotoEmbeddings,
} from './photo-embeddings.js';
export { FaceScorer, FRAMING, type Framing } from './score.js';
export { templateOf } from './templates.js';
