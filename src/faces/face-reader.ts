import { FoilbankError } from '../errors.js';
import { type InferencePool, type PackedError, type Program, unpackError } from '../onnx/index.js';
import { threadEntry } from '../thread-entry.js';
import type { Detection } from './detect.js';
import { type Face, type FaceModels, minScoreOf, type ReadOptions } from './face.js';
import { grouped, inOrder } from './in-order.js';
import type { Photo } from './photo.js';
import type { PhotoSource, Portrayal, ReadingAnswer, ReadingTask } from './reading-thread.js';

/** Of many photos: a face, or what was wrong with the photo. */
export type FaceResult = { readonly photo: string } & (
  | { readonly face: Face }
  | { readonly error: FoilbankError }
);

/** Photos that one thread reads at a time: the embedder's weights are then read from memory once for all of them. */
const GROUP = 8;

/** Photo → detection → landmarks → chip → embedding. Each photo is read by one thread of the pool, from its file to its embedding. */
export class FaceReader {
  private constructor(
    private readonly pool: InferencePool,
    private readonly threads: Program<ReadingTask, ReadingAnswer>,
  ) {}

  /** @throws FoilbankError of `loadModel`, FB_CARD_INVALID */
  static async open(pool: InferencePool, { detector, landmarks, embedder }: FaceModels): Promise<FaceReader> {
    const module = threadEntry(import.meta.url, './reading-thread.js');
    const models = { detector, landmarks, embedder };
    return new FaceReader(pool, await pool.start<FaceModels, ReadingTask, ReadingAnswer>(module, models));
  }

  /** The faces of a photo, best score first; none is an empty list. @throws FoilbankError of `decodePhoto` */
  async detect(photo: string | Uint8Array, options: ReadOptions = {}): Promise<Detection[]> {
    minScoreOf(options);
    const answer = await this.threads.call({ kind: 'detect', photo, options });
    if (answer.kind !== 'detected') throw new TypeError('a thread read instead of detecting');
    return answer.detections;
  }

  /** The same with the photo's size and each face's aligned chip, to be looked at. @throws FoilbankError of `decodePhoto` */
  async portray(photo: string | Uint8Array, options: ReadOptions = {}): Promise<Portrayal> {
    minScoreOf(options);
    const answer = await this.threads.call({ kind: 'portray', photo, options });
    if (answer.kind !== 'portrayed') throw new TypeError('a thread did something else than portraying');
    return answer.portrayal;
  }

  /**
   * The face of a photo, the largest where there are several.
   *
   * @throws FoilbankError of `decodePhoto`, FB_NO_FACE, FB_FACE_UNALIGNABLE, FB_OPTION_INVALID, FB_EMBEDDING_NOT_FINITE,
   *   FB_EMBEDDING_ZERO
   */
  async embedPhoto(photo: string | Uint8Array | Photo, options: ReadOptions = {}): Promise<Face> {
    const [face] = await this.read([photo], options);
    if ('embedding' in face!) return face;
    throw unpackError(face!);
  }

  /** Like `embedPhoto`, of a photo that is decoded already; undefined where there is no face. */
  findFace(photo: Photo, options: ReadOptions = {}): Promise<Face | undefined> {
    return this.embedPhoto(photo, options).catch((error: unknown) => {
      if (error instanceof FoilbankError && error.code === 'FB_NO_FACE') return undefined;
      throw error;
    });
  }

  /**
   * Reads many photos, several at once. Results come in the order of the photos; one that cannot be read gives its error and the
   * next one follows. The same photos give the same bits.
   */
  async *embedPhotos(
    paths: Iterable<string> | AsyncIterable<string>,
    options: ReadOptions = {},
  ): AsyncGenerator<FaceResult> {
    // To find a face takes so long that what a group saves does not show, and photos spread over the threads more evenly one by one.
    const groups = grouped(paths, (options.faceBox ?? 'detect') === 'detect' ? 1 : GROUP);
    const read = inOrder(groups, this.pool.threads + 1, async (photos) => {
      const faces = await this.read(photos, options);
      return photos.map((photo, i) => resultOf(photo, faces[i]!));
    });
    for await (const results of read) yield* results;
  }

  private async read(photos: readonly PhotoSource[], options: ReadOptions) {
    minScoreOf(options);
    const answer = await this.threads.call({ kind: 'read', photos, options });
    if (answer.kind !== 'read') throw new TypeError('a thread detected instead of reading');
    return answer.faces;
  }
}

const resultOf = (photo: string, read: Face | PackedError): FaceResult =>
  'embedding' in read ? { photo, face: read } : { photo, error: unpackError(read) as FoilbankError };
