import { FoilbankError } from '../errors.js';
import type {
  DetectorCard,
  EmbedderCard,
  InferencePool,
  LandmarksCard,
  Model,
  TensorData,
} from '../onnx/index.js';
import { UnitMatrix } from '../vectors/index.js';
import { alignment } from './align.js';
import { PhotoChips } from './chip.js';
import { type Detection, FaceDetector } from './detect.js';
import { Embedder } from './embedder.js';
import type { Box, Point } from './geometry.js';
import { grouped, inOrder } from './in-order.js';
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

interface Failed {
  readonly photo: string;
  readonly error: FoilbankError;
}

/** Of many photos: a face, or what was wrong with the photo. */
export type FaceResult = { readonly photo: string; readonly face: Face } | Failed;

/** A face on its chip, not yet embedded. */
type Aligned = Omit<Face, 'embedding'> & { readonly chip: TensorData };

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
   * @throws FoilbankError of `decodePhoto`, FB_NO_FACE, FB_FACE_UNALIGNABLE, FB_OPTION_INVALID, FB_EMBEDDING_NOT_FINITE,
   *   FB_EMBEDDING_ZERO
   */
  async embedPhoto(source: string | Uint8Array, options: ReadOptions = {}): Promise<Face> {
    return this.embed(await this.alignedFace(source, options));
  }

  /** Like `embedPhoto`, of a photo that is decoded already; undefined where there is no face. */
  async findFace(photo: Photo, options: ReadOptions = {}): Promise<Face | undefined> {
    const aligned = await this.align(photo, options);
    return aligned && this.embed(aligned);
  }

  /**
   * Reads many photos, several at once, so that decoding overlaps with inference. Results come in the order of the photos; one that
   * cannot be read gives its error and the next one follows. The same photos give the same bits.
   */
  async *embedPhotos(
    paths: Iterable<string> | AsyncIterable<string>,
    options: ReadOptions = {},
  ): AsyncGenerator<FaceResult> {
    minScoreOf(options);
    const aligned = inOrder(paths, this.pool.threads * 2 + 6, (photo) =>
      this.alignedFace(photo, options).catch((error) => failed(photo, error)),
    );
    const groups = grouped(aligned, this.embedder.batch, (result) => 'chip' in result);
    for await (const results of inOrder(groups, this.pool.threads, (group) => this.embedGroup(group)))
      yield* results;
  }

  private async embed({ chip, ...face }: Aligned): Promise<Face> {
    return { ...face, embedding: (await this.embedder.embed(chip, face.photo)).row(0) };
  }

  private async embedGroup(group: readonly (Aligned | Failed)[]): Promise<FaceResult[]> {
    const { dimension } = this.embedder.card.output;
    const raw = await this.embedder.raw(group.flatMap((result) => ('chip' in result ? [result.chip] : [])));
    let row = 0;
    return group.map((result) => {
      if ('error' in result) return result;
      const { chip: _, ...face } = result;
      const values = raw.subarray(row * dimension, ++row * dimension);
      try {
        const embedding = UnitMatrix.normalise(values, dimension, face.photo).row(0);
        return { photo: face.photo, face: { ...face, embedding } };
      } catch (error) {
        return failed(face.photo, error);
      }
    });
  }

  private async alignedFace(source: string | Uint8Array, options: ReadOptions): Promise<Aligned> {
    minScoreOf(options);
    const photo = await decodePhoto(source, options);
    const aligned = await this.align(photo, options);
    if (!aligned) throw new FoilbankError('FB_NO_FACE', { photo: photo.name });
    return aligned;
  }

  private async align(photo: Photo, options: ReadOptions): Promise<Aligned | undefined> {
    const located = await this.locate(photo, options.faceBox ?? 'detect', minScoreOf(options));
    if (!located) return undefined;
    const landmarks = await this.landmarks.find(photo, located.box);
    const toChip = alignment(landmarks, this.embedder.card.align.template);
    if (!toChip) throw new FoilbankError('FB_FACE_UNALIGNABLE', { photo: photo.name });
    return { photo: photo.name, chip: await this.chips.cut(photo, toChip), landmarks, ...located };
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

/** A photo can be at fault; a dead thread or a closed pool is not the photo's and goes on as it is. */
function failed(photo: string, error: unknown): Failed {
  if (error instanceof FoilbankError && isPhotoFault(error)) return { photo, error };
  throw error;
}

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
