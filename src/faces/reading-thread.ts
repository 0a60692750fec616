import { FoilbankError } from '../errors.js';
import type { ThreadProgram } from '../onnx/index.js';
import { free, type NetworkHost, type PackedError, packError, type TensorData } from '../onnx/index.js';
import { UnitMatrix } from '../vectors/index.js';
import { alignment } from './align.js';
import { PhotoChips } from './chip.js';
import { type Detection, FaceDetector } from './detect.js';
import { Embedder } from './embedder.js';
import { type Face, type FaceModels, type FaceWarning, minScoreOf, type ReadOptions } from './face.js';
import type { Box } from './geometry.js';
import { inOrder } from './in-order.js';
import { LandmarkFinder } from './landmarks.js';
import { decodePhoto, type Photo } from './photo.js';

/** A path, the bytes of a file, or a photo that is decoded already. */
export type PhotoSource = string | Uint8Array | Photo;

export type ReadingTask =
  | { readonly kind: 'detect'; readonly photo: PhotoSource; readonly options: ReadOptions }
  | { readonly kind: 'portray'; readonly photo: PhotoSource; readonly options: ReadOptions }
  | { readonly kind: 'read'; readonly photos: readonly PhotoSource[]; readonly options: ReadOptions };

export type ReadingAnswer =
  | { readonly kind: 'detected'; readonly detections: Detection[] }
  | { readonly kind: 'portrayed'; readonly portrayal: Portrayal }
  /** A face for each photo, or what is wrong with the photo. */
  | { readonly kind: 'read'; readonly faces: readonly (Face | PackedError)[] };

/** The faces of a photo, each as the embedder sees it. */
export interface Portrayal {
  /** Of the upright photo, in pixels. */
  readonly width: number;
  readonly height: number;
  /** Best score first. */
  readonly faces: readonly (Detection & { readonly chip: Picture | undefined })[];
}

/** 8-bit RGB, interleaved. */
export interface Picture {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** Photos of a task that are decoded at once: the next ones while the networks look at the first, yet not a whole task of large ones. */
const DECODED_AHEAD = 3;

/** A face on its chip, not yet embedded. */
type Aligned = Omit<Face, 'embedding'> & { readonly chip: TensorData };

/**
 * Photo → detection → landmarks → chip → embedding, all of it in one thread: what lies between costs as much to hand from thread to
 * thread as it does to make.
 */
class Reading {
  /** Cuts chips in plain RGB: opened when first needed. */
  private pictures: Promise<PhotoChips> | undefined;

  private constructor(
    private readonly host: NetworkHost,
    private readonly detector: FaceDetector,
    private readonly landmarks: LandmarkFinder,
    private readonly chips: PhotoChips,
    private readonly embedder: Embedder,
  ) {}

  static async open(host: NetworkHost, { detector, landmarks, embedder }: FaceModels): Promise<Reading> {
    return new Reading(
      host,
      await FaceDetector.open(host, detector),
      await LandmarkFinder.open(host, landmarks),
      await PhotoChips.open(host, embedder.card.input),
      await Embedder.open(host, embedder),
    );
  }

  async answer(task: ReadingTask): Promise<ReadingAnswer> {
    if (task.kind === 'read') return { kind: 'read', faces: await this.read(task.photos, task.options) };
    const photo = await decoded(task.photo, task.options);
    if (task.kind === 'portray')
      return { kind: 'portrayed', portrayal: await this.portray(photo, minScoreOf(task.options)) };
    return { kind: 'detected', detections: await this.detector.detect(photo, minScoreOf(task.options)) };
  }

  private async read(photos: readonly PhotoSource[], options: ReadOptions): Promise<(Face | PackedError)[]> {
    const results: (Aligned | PackedError)[] = [];
    const aligned = inOrder(photos, DECODED_AHEAD, (photo) => this.align(photo, options).catch(faultOf));
    for await (const result of aligned) results.push(result);
    const { dimension } = this.embedder.card.output;
    const chips = results.flatMap((result) => ('chip' in result ? [result.chip] : []));
    const raw = await this.embedder.raw(chips);
    free(chips);
    let row = 0;
    return results.map((result) => {
      if (!('chip' in result)) return result;
      const { chip: _, ...face } = result;
      const values = raw.subarray(row * dimension, ++row * dimension);
      try {
        return { ...face, embedding: UnitMatrix.normalise(values, dimension, face.photo).row(0) };
      } catch (error) {
        return faultOf(error);
      }
    });
  }

  private async portray(photo: Photo, minScore: number): Promise<Portrayal> {
    const { width, height } = photo;
    const detections = await this.detector.detect(photo, minScore);
    const faces: Portrayal['faces'][number][] = [];
    for (const face of detections) faces.push({ ...face, chip: await this.picture(photo, face.box) });
    return { width, height, faces };
  }

  /** Undefined where the landmarks have no direction: such a face can be listed, not embedded. */
  private async picture(photo: Photo, box: Box): Promise<Picture | undefined> {
    const { input, align } = this.embedder.card;
    const toChip = alignment(await this.landmarks.find(photo, box), align.template);
    if (!toChip) return undefined;
    const rgb = { layout: 'NHWC', colour: 'rgb', scale: 1 } as const;
    this.pictures ??= PhotoChips.open(this.host, { ...input, ...rgb, mean: [0, 0, 0] });
    const chip = await (await this.pictures).cut(photo, toChip);
    const data = Uint8Array.from(chip.data as Float32Array, Math.round);
    free([chip]);
    return { data, width: input.width, height: input.height };
  }

  private async align(source: PhotoSource, options: ReadOptions): Promise<Aligned> {
    const photo = await decoded(source, options);
    const located = await this.locate(photo, options.faceBox ?? 'detect', minScoreOf(options));
    const landmarks = await this.landmarks.find(photo, located.box);
    const toChip = alignment(landmarks, this.embedder.card.align.template);
    if (!toChip) throw new FoilbankError('FB_FACE_UNALIGNABLE', { photo: photo.name });
    return { photo: photo.name, chip: await this.chips.cut(photo, toChip), landmarks, ...located };
  }

  private async locate(
    photo: Photo,
    faceBox: 'detect' | 'whole' | Box,
    minScore: number,
  ): Promise<Pick<Face, 'box' | 'score' | 'warnings'>> {
    const whole = { x: 0, y: 0, width: photo.width, height: photo.height };
    if (faceBox !== 'detect')
      return { box: faceBox === 'whole' ? whole : faceBox, score: undefined, warnings: [] };
    const faces = await this.detector.detect(photo, minScore);
    if (faces.length === 0) throw new FoilbankError('FB_NO_FACE', { photo: photo.name });
    const largest = faces.reduce((a, b) => (area(a.box) >= area(b.box) ? a : b));
    const message = `${faces.length} faces in ${photo.name}: the largest was taken`;
    const warnings: FaceWarning[] = faces.length > 1 ? [{ code: 'several-faces', message }] : [];
    return { ...largest, warnings };
  }
}

const area = ({ width, height }: Box): number => width * height;

const decoded = async (source: PhotoSource, options: ReadOptions): Promise<Photo> =>
  typeof source === 'object' && 'pixels' in source ? source : decodePhoto(source, options);

/** A photo can be at fault; a broken network is not the photo's fault and goes on as it is. */
function faultOf(error: unknown): PackedError {
  if (error instanceof FoilbankError && isPhotoFault(error)) return packError(error);
  throw error;
}

const isPhotoFault = ({ code }: FoilbankError): boolean =>
  code.startsWith('FB_PHOTO_') ||
  code.startsWith('FB_EMBEDDING_') ||
  ['FB_NO_FACE', 'FB_FACE_UNALIGNABLE', 'FB_FILE_UNREADABLE'].includes(code);

const program: ThreadProgram<FaceModels, ReadingTask, ReadingAnswer> = async (host, models) => {
  const reading = await Reading.open(host, models);
  return (task) => reading.answer(task);
};
export default program;
