import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { FoilbankError, throwIfCancelled } from '../errors.js';
import { readBytes, writeWhole } from '../files.js';
import { fingerprint, type InferencePool } from '../onnx/index.js';
import { formatNpy, parseNpy, UnitMatrix } from '../vectors/index.js';
import type { FaceModels, ReadOptions } from './face.js';
import { FaceReader } from './face-reader.js';
import { inOrder } from './in-order.js';
import { decodePhoto, type Photo } from './photo.js';

/** A photo changed on purpose before it is read. */
export interface PhotoChange {
  /** Tells this change from others in the cache: the same name must always change the same photo in the same way. */
  readonly name: string;
  /**
   * @param hash of the photo's bytes, to seed what is random
   * @param faceSide the side of its face in pixels
   */
  apply(photo: Photo, hash: string, faceSide: number): Promise<Photo>;
}

export interface PhotoEmbeddingOptions {
  /** `whole` where each photo is a crop that one face fills. Default `detect`. */
  readonly faceBox?: 'detect' | 'whole' | undefined;
  /** Folder that keeps embeddings from run to run. They are biometric data: choose who may read it. Default: kept in memory only. */
  readonly cache?: string | undefined;
}

export interface EmbedPhotosOptions {
  readonly change?: PhotoChange | undefined;
  readonly signal?: AbortSignal | undefined;
  /** @param done photos whose embedding is known by now, those from the cache included @param known how many the cache had */
  onProgress?(done: number, total: number, known: number): void;
}

/** Photos read at once to be hashed. */
const READERS = 16;
/** Part of the cache's key: raised when the same photo and networks would give another embedding. */
const CACHE_FORMAT = 1;

interface Hashed {
  readonly path: string;
  readonly hash: string;
  readonly key: string;
}

/** Embeddings of photos, each made once for the life of this object, and once for all where there is a cache folder. */
export class PhotoEmbeddings {
  /** By the hash of all that an embedding hangs on; undefined where no face could be read. */
  readonly #known = new Map<string, Float32Array | undefined>();
  #reader: { readonly key: string; readonly reader: Promise<FaceReader> } | undefined;

  constructor(
    private readonly pool: InferencePool,
    private readonly options: PhotoEmbeddingOptions = {},
  ) {}

  /**
   * The embedding of each photo, in their order; undefined where no face could be read. Stopped in the middle, what was made is in the
   * cache, and the next call goes on there.
   *
   * @throws FoilbankError FB_FILE_UNREADABLE, FB_FILE_UNWRITABLE, FB_CANCELLED, and what the networks throw
   */
  async embed(
    paths: readonly string[],
    models: FaceModels,
    options: EmbedPhotosOptions = {},
  ): Promise<(Float32Array | undefined)[]> {
    const photos = await this.#hashed(paths, models, options);
    await this.#make(photos, models, options);
    return photos.map(({ key }) => this.#known.get(key));
  }

  async #hashed(paths: readonly string[], models: FaceModels, { change, signal }: EmbedPhotosOptions) {
    const recipe = [CACHE_FORMAT, modelsKey(models), this.options.faceBox ?? 'detect', change?.name ?? []]
      .flat()
      .join(' ');
    const hashed: Hashed[] = [];
    const all = inOrder(paths, READERS, async (path) => {
      throwIfCancelled(signal, 'reading photos');
      const bytes = await readBytes(path);
      const hash = createHash('sha256').update(bytes).digest('hex');
      return {
        path,
        hash,
        key: createHash('sha256').update(recipe).update('\0').update(bytes).digest('hex'),
      };
    });
    for await (const photo of all) hashed.push(photo);
    return hashed;
  }

  /** Sees to it that every photo's embedding is known. */
  async #make(
    photos: readonly Hashed[],
    models: FaceModels,
    { change, signal, onProgress }: EmbedPhotosOptions,
  ) {
    const { cache } = this.options;
    const file = (key: string) => join(cache as string, `${key}.npy`);
    const { dimension } = models.embedder.card.output;
    const missing = new Map<string, Hashed>();
    for (const photo of photos) {
      throwIfCancelled(signal, 'reading photos');
      const { key } = photo;
      if (this.#known.has(key)) continue;
      const kept = cache === undefined ? undefined : await readKept(file(key), dimension);
      if (kept) this.#known.set(key, kept.length === 0 ? undefined : kept);
      else missing.set(key, photo);
    }
    const known = photos.length - missing.size;
    let done = known;
    onProgress?.(done, photos.length, known);
    if (missing.size === 0) return;
    const reader = await this.#open(models);
    const keys = missing.keys();
    for await (const embedding of this.#embeddings(reader, [...missing.values()], change)) {
      throwIfCancelled(signal, 'reading photos');
      const key = keys.next().value as string;
      this.#known.set(key, embedding);
      const data = embedding ?? new Float32Array(0);
      if (cache !== undefined) await writeWhole(file(key), formatNpy({ data, shape: [data.length] }));
      onProgress?.(++done, photos.length, known);
    }
  }

  async *#embeddings(reader: FaceReader, photos: readonly Hashed[], change: PhotoChange | undefined) {
    const { faceBox = 'detect' } = this.options;
    const options: ReadOptions = { faceBox };
    if (!change) {
      const paths = photos.map(({ path }) => path);
      for await (const result of reader.embedPhotos(paths, options))
        yield 'face' in result ? result.face.embedding : undefined;
      return;
    }
    const read = async ({ path, hash }: Hashed): Promise<Float32Array | undefined> => {
      try {
        const photo = await decodePhoto(path);
        const faces = faceBox === 'whole' ? [{ box: photo }] : await reader.detect(path);
        if (faces.length === 0) return undefined;
        const side = Math.max(...faces.map(({ box }) => Math.max(box.width, box.height)));
        const face = await reader.findFace(await change.apply(photo, hash, side), options);
        return face?.embedding;
      } catch (error) {
        // As without a change: a photo at fault has no embedding, a broken network ends it all.
        if (error instanceof FoilbankError && /^FB_(PHOTO|EMBEDDING|FACE)_/.test(error.code))
          return undefined;
        throw error;
      }
    };
    yield* inOrder(photos, this.pool.threads + 2, read);
  }

  #open(models: FaceModels): Promise<FaceReader> {
    const key = modelsKey(models);
    if (this.#reader?.key !== key) this.#reader = { key, reader: FaceReader.open(this.pool, models) };
    return this.#reader.reader;
  }
}

const modelsKey = ({ detector, landmarks, embedder }: FaceModels): string =>
  [detector, landmarks, embedder].map(({ card }) => fingerprint(card)).join(' ');

/** An embedding of unit length, or an empty one; undefined where the file is not there or holds anything else. */
async function readKept(file: string, dimension: number): Promise<Float32Array | undefined> {
  try {
    const { data, shape } = parseNpy(await readBytes(file), file);
    if (!(data instanceof Float32Array) || shape.length !== 1) return undefined;
    return data.length === 0 ? data : UnitMatrix.adopt(data, dimension, file).row(0);
  } catch (error) {
    if (error instanceof FoilbankError) return undefined;
    throw error;
  }
}
