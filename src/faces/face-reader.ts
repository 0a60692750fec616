import { FoilbankError } from '../errors.js';
import type { DetectorCard, EmbedderCard, InferencePool, LandmarksCard, Model } from '../onnx/index.js';
import { alignment } from './align.js';
import { PhotoChips } from './chip.js';
import { type Detection, FaceDetector } from './detect.js';
import { Embedder } from './embedder.js';
import type { Box, Point } from './geometry.js';
import { inOrder } from './in-order.js';
import { LandmarkFinder } from './landmarks.js';
import { decodePhoto, type Photo, type PhotoOptions } from './photo.js';

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

/** Of many photos: a face, or what was wrong with the photo. */
export type FaceResult =
  | { readonly photo: string; readonly face: Face }
  | { readonly photo: string; readonly error: FoilbankError };

/** Photo → detection → landmarks → chip → embedding, with networks that share one pool. */
export class FaceReader {
  private constructor(
    private readonly pool: InferencePool,
    readonly detector: FaceDetector,
    readonly landmarks: LandmarkFinder,
    private readonly chips: PhotoChips,
    readonly embedder: Embedder,
  ) {}

  /** @throws FoilbankError of `loadModel`, FB_CARD_INVALID */
  static async open(pool: InferencePool, models: FaceModels): Promise<FaceReader> {
    const [detector, landmarks, chips, embedder] = await Promise.all([
      FaceDetector.open(pool, models.detector),
      LandmarkFinder.open(pool, models.landmarks),
      PhotoChips.open(pool, models.embedder.card.input),
      Embedder.open(pool, models.embedder),
    ]);
    return new FaceReader(pool, detector, landmarks, chips, embedder);
  }

  /** The faces of a photo, best score first; none is an empty list. @throws FoilbankError of `decodePhoto` */
  async detect(source: string | Uint8Array, options: ReadOptions = {}): Promise<Detection[]> {
    return this.detector.detect(await decodePhoto(source, options), minScoreOf(options));
  }

  /**
   * The face of a photo, the largest where there are several.
   *
   * @throws FoilbankError of `decodePhoto`, FB_NO_FACE, FB_FACE_UNALIGNABLE, FB_OPTION_INVALID
   */
  async embedPhoto(source: string | Uint8Array, options: ReadOptions = {}): Promise<Face> {
    minScoreOf(options);
    const photo = await decodePhoto(source, options);
    const face = await this.findFace(photo, options);
    if (!face) throw new FoilbankError('FB_NO_FACE', { photo: photo.name });
    return face;
  }

  /** Like `embedPhoto`, of a photo that is decoded already; undefined where there is no face. */
  async findFace(photo: Photo, options: ReadOptions = {}): Promise<Face | undefined> {
    const located = await this.locate(photo, options.faceBox ?? 'detect', minScoreOf(options));
    if (!located) return undefined;
    const landmarks = await this.landmarks.find(photo, located.box);
    const toChip = alignment(landmarks, this.embedder.card.align.template);
    if (!toChip) throw new FoilbankError('FB_FACE_UNALIGNABLE', { photo: photo.name });
    const embeddings = await this.embedder.embed(await this.chips.cut(photo, toChip), photo.name);
    return { photo: photo.name, embedding: embeddings.row(0), landmarks, ...located };
  }

  /**
   * Reads many photos, several at once, so that decoding overlaps with inference. Results come in the order of the photos; one that
   * cannot be read gives its error and the next one follows.
   */
  embedPhotos(
    paths: Iterable<string> | AsyncIterable<string>,
    options: ReadOptions = {},
  ): AsyncGenerator<FaceResult> {
    minScoreOf(options);
    return inOrder(paths, this.pool.threads * 2 + 6, async (photo): Promise<FaceResult> => {
      try {
        return { photo, face: await this.embedPhoto(photo, options) };
      } catch (error) {
        // A photo can be at fault; a dead thread or a closed pool is not the photo's.
        if (error instanceof FoilbankError && isPhotoFault(error)) return { photo, error };
        throw error;
      }
    });
  }

  private async locate(photo: Photo, faceBox: 'detect' | 'whole' | Box, minScore: number) {
    const whole = { x: 0, y: 0, width: photo.width, height: photo.height };
    if (faceBox !== 'detect')
      return { box: faceBox === 'whole' ? whole : faceBox, score: undefined, warnings: [] };
    const faces = await this.detector.detect(photo, minScore);
    const largest = faces.reduce<Detection | undefined>(
      (a, b) => (a && area(a.box) >= area(b.box) ? a : b),
      undefined,
    );
    if (!largest) return undefined;
    const warnings: FaceWarning[] =
      faces.length > 1
        ? [
            {
              code: 'several-faces',
              message: `${faces.length} faces in ${photo.name}: the largest was taken`,
            },
          ]
        : [];
    return { ...largest, warnings };
  }
}

const area = ({ width, height }: Box): number => width * height;

const isPhotoFault = ({ code }: FoilbankError): boolean =>
  code.startsWith('FB_PHOTO_') ||
  code.startsWith('FB_EMBEDDING_') ||
  ['FB_NO_FACE', 'FB_FACE_UNALIGNABLE', 'FB_FILE_UNREADABLE'].includes(code);

function minScoreOf({ minScore = 0.5 }: ReadOptions): number {
  if (!(minScore > 0 && minScore < 1))
    throw new FoilbankError('FB_OPTION_INVALID', {
      option: 'minScore',
      value: minScore,
      expected: 'between 0 and 1',
    });
  return minScore;
}
