import { createHash } from 'node:crypto';
import { join, relative, resolve, sep } from 'node:path';
import { FoilbankError, throwIfCancelled } from '../errors.js';
import { FaceReader } from '../faces/index.js';
import { readBytes, writeWhole } from '../files.js';
import { fingerprint, type InferencePool } from '../onnx/index.js';
import { formatNpy, parseNpy, UnitMatrix } from '../vectors/index.js';
import type { Networks } from './candidate-maker.js';
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

type Reading = Pick<Networks, 'detector' | 'landmarks' | 'embedder'>;
interface Photo {
  readonly path: string;
  readonly key: string;
}

/** Photos read at once to be hashed. */
const READERS = 16;
/** Part of the cache's key: raised when the same photo and networks would give another embedding. */
const CACHE_FORMAT = 1;

/** Labelled pairs of photos. Each photo is embedded once for the life of this object, and once for all where there is a cache folder. */
export class LabelledPairs {
  /** By the hash of all that an embedding hangs on; undefined where no face could be read. */
  readonly #known = new Map<string, Float32Array | undefined>();
  #reader: { readonly key: string; readonly reader: Promise<FaceReader> } | undefined;

  constructor(
    private readonly pool: InferencePool,
    private readonly source: PairSource,
  ) {}

  /**
   * The pairs as they are in the file now, embedded.
   *
   * @throws FoilbankError FB_FILE_UNREADABLE, FB_PAIRS_INVALID, FB_PAIRS_TOO_FEW, FB_CANCELLED, and what the networks throw
   */
  async embed(networks: Reading, signal?: AbortSignal): Promise<EmbeddedPairs> {
    const { csv } = this.source;
    const pairs = parsePairs(await readBytes(csv), csv);
    const photos = await this.#photosOf(pairs, networks, signal);
    await this.#read([...photos.values()], networks, signal);
    const { dimension } = networks.embedder.card.output;
    const rows = new Map<string, number>();
    const vectors: UnitMatrix[] = [];
    for (const [name, { key, path }] of photos) {
      const embedding = this.#known.get(key);
      if (embedding) rows.set(name, vectors.push(UnitMatrix.adopt(embedding, dimension, path)) - 1);
    }
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
  async #photosOf(
    pairs: readonly PhotoPair[],
    networks: Reading,
    signal?: AbortSignal,
  ): Promise<Map<string, Photo>> {
    const { csv, photos: folder, faceBox = 'detect' } = this.source;
    const invalid = (row: number, reason: string) =>
      new FoilbankError('FB_PAIRS_INVALID', { file: csv, row, reason });
    const rows = new Map<string, number>();
    for (const { a, b, row } of pairs) for (const name of [a, b]) if (!rows.has(name)) rows.set(name, row);
    const recipe = `${CACHE_FORMAT} ${networksKey(networks)} ${faceBox}`;
    const wanted = [...rows];
    const keys = new Map<string, Photo>();
    let next = 0;
    const reader = async () => {
      for (let i = next++; i < wanted.length; i = next++) {
        throwIfCancelled(signal, 'reading labelled pairs');
        const [name, row] = wanted[i] as [string, number];
        const path = resolve(folder, name);
        if (relative(folder, path).split(sep)[0] === '..')
          throw invalid(row, `${JSON.stringify(name)} lies outside the folder of photos`);
        const bytes = await readBytes(path).catch(() => {
          throw invalid(row, `photo ${JSON.stringify(name)} cannot be read`);
        });
        const key = createHash('sha256').update(recipe).update('\0').update(bytes).digest('hex');
        keys.set(name, { path, key });
      }
    };
    await Promise.all(Array.from({ length: READERS }, reader));
    // In the order of the file, whichever was read first.
    return new Map(wanted.map(([name]) => [name, keys.get(name) as Photo]));
  }

  /** Sees to it that every photo's embedding is known. */
  async #read(photos: readonly Photo[], networks: Reading, signal?: AbortSignal): Promise<void> {
    const { cache, faceBox = 'detect' } = this.source;
    const file = (key: string) => join(cache as string, `${key}.npy`);
    const { dimension } = networks.embedder.card.output;
    const missing = new Map<string, string>();
    for (const { key, path } of photos) {
      throwIfCancelled(signal, 'reading labelled pairs');
      if (this.#known.has(key)) continue;
      const kept = cache === undefined ? undefined : await readKept(file(key), dimension);
      if (kept) this.#known.set(key, kept.length === 0 ? undefined : kept);
      else missing.set(path, key);
    }
    if (missing.size === 0) return;
    const reader = await this.#open(networks);
    for await (const result of reader.embedPhotos(missing.keys(), { faceBox })) {
      throwIfCancelled(signal, 'reading labelled pairs');
      const embedding = 'face' in result ? result.face.embedding : undefined;
      const key = missing.get(result.photo) as string;
      this.#known.set(key, embedding);
      const data = embedding ?? new Float32Array(0);
      if (cache !== undefined) await writeWhole(file(key), formatNpy({ data, shape: [data.length] }));
    }
  }

  #open(networks: Reading): Promise<FaceReader> {
    const key = networksKey(networks);
    if (this.#reader?.key !== key) this.#reader = { key, reader: FaceReader.open(this.pool, networks) };
    return this.#reader.reader;
  }
}

const networksKey = ({ detector, landmarks, embedder }: Reading): string =>
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
