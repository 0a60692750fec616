import { z } from 'zod';
import { FoilbankError } from '../errors.js';
import { type CandidateTable, emptyTable, faultOfTable } from './candidate.js';
import { canonicalJson } from './canonical.js';
import { readWhole, sha256Of } from './hashing.js';
import { type Layout, layoutOf } from './layout.js';
import type { Manifest } from './manifest.js';
import type { BankStore } from './store.js';

/** Raised whenever the same recipe and seeds would give other rows or another file. */
const PART_FORMAT = 1;

/** Everything besides the seeds that a part's rows depend on. */
export interface PartRecipe {
  /** Fingerprints of the cards, which cover the graphs. */
  readonly generatorSha256: string;
  readonly embedderSha256: string;
  /** Absent where no detector scored the faces. */
  readonly detectorSha256?: string;
  readonly psi: number;
  readonly chunkSize: number;
  readonly gates: Manifest['inputs']['gates'];
}

/** Seeds first .. first + count − 1. */
export interface SeedRange {
  readonly first: number;
  readonly count: number;
}

/** What became of one seed range. */
export interface Part {
  readonly candidates: CandidateTable;
  /** Seeds turned away, by reason. With the candidates they make up the whole range. */
  readonly rejected: Readonly<Record<string, number>>;
}

/**
 * The parts of an unfinished build, one file a seed range, in a folder named by the recipe's hash. A file's name says
 * all that produced it, so a part that is there need not be made again, whoever made it. Its seal, a file with its hash,
 * is written after it: a part without one was not finished.
 */
export class PartFolder {
  readonly #store: BankStore;
  readonly #layout: Layout;
  readonly #folder: string;
  readonly #dimension: number;

  /** @throws FoilbankError FB_BANK_NAME_INVALID */
  constructor(store: BankStore, bank: string, recipe: PartRecipe, dimension: number) {
    this.#store = store;
    this.#layout = layoutOf(bank);
    this.#dimension = dimension;
    const name = sha256Of(canonicalJson({ ...recipe, dimension, format: PART_FORMAT })).slice(0, 32);
    this.#folder = `${this.#layout.parts}/${name}`;
  }

  /** The store's key of a range's part. */
  key(range: SeedRange): string {
    return `${this.#folder}/${String(range.first).padStart(16, '0')}-${range.count}.arrow`;
  }

  /** @throws FoilbankError FB_BANK_DRAFT_INVALID, FB_STORE_FULL, FB_FILE_UNWRITABLE */
  async save(range: SeedRange, part: Part): Promise<void> {
    const reason = (await faultOfTable(part.candidates)) ?? faultOfRange(part, range, this.#dimension);
    if (reason)
      throw new FoilbankError('FB_BANK_DRAFT_INVALID', {
        bank: this.#layout.bank,
        field: 'candidates',
        reason,
      });
    const key = this.key(range);
    const bytes = await encodePart(part);
    await this.#store.write(key, bytes);
    await this.#store.write(sealKey(key), Buffer.from(sealOf(key, bytes)));
  }

  /** @returns undefined when the part is not there or is damaged: either way it must be made */
  async load(range: SeedRange): Promise<Part | undefined> {
    try {
      const part = await readPart(this.#store, this.key(range));
      return part && !faultOfRange(part, range, this.#dimension) ? part : undefined;
    } catch (error) {
      if (error instanceof FoilbankError && error.code === 'FB_BANK_CORRUPT') return undefined;
      throw error;
    }
  }

  /** Those of `ranges` whose part is not there, by name and seal alone: one listing, whatever their number. */
  async missing(ranges: readonly SeedRange[]): Promise<SeedRange[]> {
    const there = new Set((await this.#store.list(this.#folder)).map(({ key }) => key));
    return ranges.filter((range) => {
      const key = this.key(range);
      return !(there.has(key) && there.has(sealKey(key)));
    });
  }

  /** Removes a damaged part. The seal goes first, so that what is left is not taken for whole. */
  async remove(range: SeedRange): Promise<void> {
    await this.#store.remove(sealKey(this.key(range)));
    await this.#store.remove(this.key(range));
  }

  /** Removes the parts of these ranges, for when their version is published. */
  async clear(ranges: readonly SeedRange[]): Promise<void> {
    const there = new Set((await this.#store.list(this.#folder)).map(({ key }) => key));
    for (const range of ranges)
      for (const key of [sealKey(this.key(range)), this.key(range)])
        if (there.has(key)) await this.#store.remove(key);
  }
}

function faultOfRange(
  { candidates, rejected }: Part,
  range: SeedRange,
  dimension: number,
): string | undefined {
  const { seeds } = candidates;
  if (candidates.dimension !== dimension)
    return `embeddings of length ${candidates.dimension}, not ${dimension}`;
  if (seeds.length > 0 && !(seeds[0]! >= range.first && seeds.at(-1)! < range.first + range.count))
    return `seeds ${seeds[0]} to ${seeds.at(-1)} are not of ${range.count} from ${range.first}`;
  const decided = Object.values(rejected).reduce((sum, n) => sum + n, seeds.length);
  return decided === range.count ? undefined : `${decided} seeds decided, ${range.count} asked`;
}

const rejections = z.record(z.string(), z.int().min(0));

async function encodePart({ candidates, rejected }: Part): Promise<Uint8Array> {
  const { encodeCandidates } = await import('./arrow.js');
  return encodeCandidates(candidates, { 'foilbank.rejected': canonicalJson(rejected) });
}

/**
 * The part under a key, once its bytes are those that its seal was written for.
 *
 * @returns undefined when it is not there, or its seal is not
 * @throws FoilbankError FB_BANK_CORRUPT
 */
export async function readPart(store: BankStore, key: string): Promise<Part | undefined> {
  const [bytes, seal] = await Promise.all([readWhole(store, key), readWhole(store, sealKey(key))]);
  if (!bytes || !seal) return undefined;
  const corrupt = (reason: string) => new FoilbankError('FB_BANK_CORRUPT', { file: key, reason });
  if (Buffer.from(seal).toString('latin1') !== sealOf(key, bytes))
    throw corrupt('it does not hash to what its seal says');
  const { decodeCandidates } = await import('./arrow.js');
  const decoded = decodeCandidates(bytes, key);
  const candidates = emptyTable(decoded.rows, decoded.dimension);
  await decoded.copyInto(candidates, 0);
  const rejected = rejections.safeParse(JSON.parse(decoded.metadata['foilbank.rejected'] ?? 'null'));
  if (!rejected.success) throw corrupt('it does not say how many seeds were turned away');
  return { candidates, rejected: rejected.data };
}

const sealKey = (key: string): string => `${key}.sha256`;

/** A line as `sha256sum --check` reads it. */
function sealOf(key: string, bytes: Uint8Array): string {
  return `${sha256Of(bytes)}  ${key.slice(key.lastIndexOf('/') + 1)}\n`;
}
