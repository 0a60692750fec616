import { rename, rm } from 'node:fs/promises';
import { checkWhole } from '../checks.js';
import { FoilbankError, reasonOf, throwIfCancelled } from '../errors.js';
import type { UnitMatrix } from '../vectors/index.js';
import { checkSearch, type NeighbourEngine, type Neighbours } from './engine.js';
import { checkHnswFile, type HnswShape, withVerifiedCopy } from './hnsw-file.js';
import { RemoteIndex } from './hnsw-remote.js';

/** Parameters of Malkov and Yashunin's graph; docs/index-choice.md has what each value costs and gains. */
export interface HnswParameters {
  /** M: links of a candidate on each upper layer; the bottom one has twice as many. 2..256. */
  readonly connections: number;
  /** Width of the search that finds a new candidate's links. 1..10,000. */
  readonly efConstruction: number;
  /** Seed of the layers; the same candidates and seed give the same index. */
  readonly seed: number;
}

export interface HnswSearchOptions {
  /** Least width of a search; one for k is at least `efPerNeighbour`·k wide. 1..100,000. */
  readonly ef: number;
  /** At M = 32 the defaults reach a recall of .95 and more in every measured case. 1..64. */
  readonly efPerNeighbour: number;
}

export function resolveHnswParameters(options: Partial<HnswParameters> = {}): HnswParameters {
  const { connections = 32, efConstruction = 200, seed = 100 } = options;
  checkWhole('connections', connections, 2, 256);
  checkWhole('efConstruction', efConstruction, 1, 10_000);
  checkWhole('seed', seed, 0, 2 ** 31 - 1);
  return Object.freeze({ connections, efConstruction, seed });
}

export function resolveHnswSearchOptions(options: Partial<HnswSearchOptions> = {}): HnswSearchOptions {
  const { ef = 128, efPerNeighbour = 1.25 } = options;
  checkWhole('ef', ef, 1, 100_000);
  if (!(efPerNeighbour >= 1 && efPerNeighbour <= 64))
    throw new FoilbankError('FB_OPTION_INVALID', {
      option: 'efPerNeighbour',
      value: efPerNeighbour,
      expected: 'a number from 1 to 64',
    });
  return Object.freeze({ ef, efPerNeighbour });
}

export interface HnswBuildOptions extends Partial<HnswParameters>, Partial<HnswSearchOptions> {
  /** Shape [n, d], n ≥ 1. */
  readonly candidates: UnitMatrix;
  /** Stops the build. */
  readonly signal?: AbortSignal;
  onProgress?(done: number, total: number): void;
}

export interface HnswLoadOptions extends HnswShape, Partial<HnswSearchOptions> {
  readonly file: string;
  /** Lower-case hex, from the bank's manifest. */
  readonly sha256: string;
}

/** Approximate search through a hierarchical navigable small world graph (hnswlib), in a thread of its own. */
export class HnswEngine implements NeighbourEngine {
  readonly kind = 'hnsw';
  readonly candidates: number;
  readonly dimension: number;
  readonly #index: RemoteIndex;
  readonly #options: HnswSearchOptions;

  private constructor(shape: HnswShape, index: RemoteIndex, options: HnswSearchOptions) {
    this.candidates = shape.candidates;
    this.dimension = shape.dimension;
    this.#index = index;
    this.#options = options;
  }

  /** @throws FoilbankError FB_CANDIDATES_EMPTY, FB_OPTION_INVALID, FB_CANCELLED, FB_INDEX_FAILED */
  static async build(options: HnswBuildOptions): Promise<HnswEngine> {
    const { candidates, signal, onProgress } = options;
    if (candidates.rows === 0) throw new FoilbankError('FB_CANDIDATES_EMPTY', {});
    const search = resolveHnswSearchOptions(options);
    const resolved = resolveHnswParameters(options);
    throwIfCancelled(signal, 'building the index');
    const index = new RemoteIndex((done) => onProgress?.(done, candidates.rows));
    const stop = () => void index.close('building the index');
    signal?.addEventListener('abort', stop, { once: true });
    try {
      const { data, dimension } = candidates.shared();
      await index.ask({ kind: 'build', candidates: data, dimension, ...resolved }, 'be built');
      return new HnswEngine({ candidates: candidates.rows, dimension }, index, search);
    } catch (error) {
      await index.close();
      throw error;
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  /**
   * Loads an index after its bytes were found to hash to `sha256` and its header to fit the bank.
   *
   * @throws FoilbankError FB_INDEX_HASH_MISMATCH, FB_INDEX_MISMATCH, FB_FILE_UNREADABLE, FB_OPTION_INVALID, FB_INDEX_FAILED
   */
  static async load(options: HnswLoadOptions): Promise<HnswEngine> {
    const { file, sha256, candidates, dimension } = options;
    const search = resolveHnswSearchOptions(options);
    return withVerifiedCopy(file, sha256, async (copy) => {
      await checkHnswFile(copy, { candidates, dimension }, file);
      const index = new RemoteIndex();
      try {
        await index.ask({ kind: 'load', file: copy, dimension }, 'be loaded');
      } catch (error) {
        await index.close();
        throw error;
      }
      return new HnswEngine({ candidates, dimension }, index, search);
    });
  }

  /** Writes the index; `file` appears whole or not at all. @throws FoilbankError FB_FILE_UNWRITABLE, FB_INDEX_FAILED */
  async save(file: string): Promise<void> {
    const partial = `${file}.partial`;
    try {
      await this.#index.ask({ kind: 'save', file: partial }, 'be saved');
      await checkHnswFile(partial, this);
      await rename(partial, file);
    } catch (error) {
      await rm(partial, { force: true });
      if (error instanceof FoilbankError && error.code === 'FB_INDEX_FAILED') throw error;
      throw new FoilbankError('FB_FILE_UNWRITABLE', { file, reason: reasonOf(error) }, { cause: error });
    }
  }

  nearest(queries: UnitMatrix, k: number): Promise<Neighbours> {
    return this.#search(queries, k, true);
  }

  nearestSimilarities(queries: UnitMatrix, k: number): Promise<Neighbours> {
    return this.#search(queries, k, false);
  }

  close(): Promise<void> {
    return this.#index.close();
  }

  async #search(queries: UnitMatrix, k: number, wantsRows: boolean): Promise<Neighbours> {
    const width = checkSearch(this, queries, k);
    const ef = Math.max(this.#options.ef, Math.ceil(width * this.#options.efPerNeighbour));
    const data = queries.data.slice();
    const found = await this.#index.ask(
      { kind: 'search', queries: data, width, ef, wantsRows },
      'be searched',
      [data.buffer],
    );
    if (!found) throw new TypeError('the index thread answered a search without neighbours');
    return { width, ...found };
  }
}
