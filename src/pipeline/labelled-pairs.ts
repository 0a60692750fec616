import { relative, resolve, sep } from 'node:path';
import { FoilbankError } from '../errors.js';
import { type FaceModels, PhotoEmbeddings } from '../faces/index.js';
import { readBytes } from '../files.js';
import type { InferencePool } from '../onnx/index.js';
import { UnitMatrix } from '../vectors/index.js';
import { type PhotoPair, parsePairs } from './pairs-csv.js';

export interface PairSource {
  /** CSV file of the pairs: columns a, b, same. */
  readonly csv: string;
  /** Folder that the names are relative to. */
  readonly photos: string;
  /** `whole` where each photo is a crop that one face fills. Default `detect`. */
  readonly faceBox?: 'detect' | 'whole' | undefined;
  /** Folder that keeps embeddings from run to run. They are biometric data: choose who may read it. Default: kept in memory only. */
  readonly cache?: string | undefined;
}

/** Pair i compares rows left[i] and right[i]. */
export interface EmbeddedPairs {
  readonly embeddings: UnitMatrix;
  readonly left: Uint32Array;
  readonly right: Uint32Array;
  /** 1 where both photos show one person. */
  readonly genuine: Uint8Array;
  /** Pairs left out because a photo shows no face that could be read. */
  readonly unreadable: number;
}

interface Photo {
  readonly path: string;
  /** The first row that names it. */
  readonly row: number;
}

/** Labelled pairs of photos. Each photo is embedded once for the life of this object, and once for all where there is a cache folder. */
export class LabelledPairs {
  readonly #photos: PhotoEmbeddings;

  constructor(
    pool: InferencePool,
    private readonly source: PairSource,
  ) {
    this.#photos = new PhotoEmbeddings(pool, source);
  }

  /**
   * The pairs as they are in the file now, embedded.
   *
   * @throws FoilbankError FB_FILE_UNREADABLE, FB_PAIRS_INVALID, FB_PAIRS_TOO_FEW, FB_CANCELLED, and what the networks throw
   */
  async embed(networks: FaceModels, signal?: AbortSignal): Promise<EmbeddedPairs> {
    const { csv } = this.source;
    const pairs = parsePairs(await readBytes(csv), csv);
    const photos = this.#photosOf(pairs);
    const found = await this.#photos
      .embed(
        [...photos.values()].map(({ path }) => path),
        networks,
        { signal },
      )
      .catch((error: unknown) => {
        throw this.#namingRow(error, [...photos]);
      });
    const { dimension } = networks.embedder.card.output;
    const rows = new Map<string, number>();
    const vectors: UnitMatrix[] = [];
    [...photos].forEach(([name, { path }], i) => {
      const embedding = found[i];
      if (embedding) rows.set(name, vectors.push(UnitMatrix.adopt(embedding, dimension, path)) - 1);
    });
    const usable = pairs.filter(({ a, b }) => rows.has(a) && rows.has(b));
    const genuine = Uint8Array.from(usable, ({ same }) => Number(same));
    const count = genuine.reduce((sum, x) => sum + x, 0);
    if (count === 0 || count === genuine.length)
      throw new FoilbankError('FB_PAIRS_TOO_FEW', {
        ...{ file: csv, genuine: count, impostor: genuine.length - count },
      });
    return {
      embeddings: UnitMatrix.concat(vectors, dimension),
      left: Uint32Array.from(usable, ({ a }) => rows.get(a) as number),
      right: Uint32Array.from(usable, ({ b }) => rows.get(b) as number),
      genuine,
      unreadable: pairs.length - usable.length,
    };
  }

  /** Every photo once, by name. */
  #photosOf(pairs: readonly PhotoPair[]): Map<string, Photo> {
    const photos = new Map<string, Photo>();
    for (const { a, b, row } of pairs)
      for (const name of [a, b]) {
        if (photos.has(name)) continue;
        const path = resolve(this.source.photos, name);
        if (relative(this.source.photos, path).split(sep)[0] === '..')
          throw this.#invalid(row, `${JSON.stringify(name)} lies outside the folder of photos`);
        photos.set(name, { path, row });
      }
    return photos;
  }

  /** A photo that is not there is a fault of the row that names it. */
  #namingRow(error: unknown, photos: readonly (readonly [string, Photo])[]): unknown {
    if (!(error instanceof FoilbankError) || error.code !== 'FB_FILE_UNREADABLE') return error;
    const { file } = error.details as { readonly file: string };
    const [name, photo] = photos.find(([, { path }]) => path === file) ?? [];
    return photo ? this.#invalid(photo.row, `photo ${JSON.stringify(name)} cannot be read`) : error;
  }

  #invalid(row: number, reason: string): FoilbankError {
    return new FoilbankError('FB_PAIRS_INVALID', { file: this.source.csv, row, reason });
  }
}
