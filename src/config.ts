import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import envPaths from 'env-paths';
import { FoilbankError } from './errors.js';

/** What every command and process needs to know about where it runs. */
export interface Config {
  /** Folder, `file:` or `s3:` URL of the banks. FOILBANK_STORE, default `banks` in the working directory. */
  readonly store: string;
  /** Folders with model cards, later ones first in rank: the shipped ones, then FOILBANK_MODELS (path list). */
  readonly cards: readonly string[];
  /** Folder of prepared graphs. FOILBANK_CACHE, default `models/cache` of a checkout, else the user's cache folder. */
  readonly cache: string;
  /** Inference threads. FOILBANK_THREADS, default all cores that this process may use. 1..256. */
  readonly threads: number;
  /** Labelled pairs that a refresh must do no worse on. FOILBANK_PAIRS, default none. */
  readonly pairs: PairsConfig | undefined;
}

export interface PairsConfig {
  /** CSV file with columns a, b, same. FOILBANK_PAIRS. */
  readonly csv: string;
  /** Folder of the photos. FOILBANK_PAIRS_PHOTOS, default the CSV file's. */
  readonly photos: string;
  /** `whole` where each photo is a crop that one face fills. FOILBANK_PAIRS_FACES, default `detect`. */
  readonly faceBox: 'detect' | 'whole';
}

/** The package's own folder, whether this module runs from `src/` or from `dist/src/`. */
export function packageRoot(): string {
  const here = fileURLToPath(new URL('..', import.meta.url));
  return resolve(existsSync(join(here, 'package.json')) ? here : join(here, '..'));
}

/** Reads the configuration out of environment variables; `overrides` are what the command line gave. */
export function resolveConfig(
  env: Readonly<Record<string, string | undefined>> = process.env,
  overrides: Partial<Config> = {},
): Config {
  const root = packageRoot();
  const installed = root.includes(`${sep}node_modules${sep}`);
  const listed = (env.FOILBANK_MODELS ?? '').split(':').filter((folder) => folder !== '');
  return Object.freeze({
    store: storeLocation(overrides.store ?? env.FOILBANK_STORE ?? 'banks'),
    cards: overrides.cards ?? [join(root, 'models'), ...listed.map((folder) => resolve(folder))],
    cache: resolve(
      overrides.cache ??
        env.FOILBANK_CACHE ??
        (installed ? envPaths('foilbank').cache : join(root, 'models', 'cache')),
    ),
    threads: overrides.threads ?? threadsOf(env.FOILBANK_THREADS),
    pairs: 'pairs' in overrides ? overrides.pairs : pairsOf(env),
  });
}

/** A path becomes absolute; a URL stays, to be judged when the store is opened. One letter is a drive of Windows. */
function storeLocation(value: string): string {
  return /^[a-z][a-z0-9+.-]+:/i.test(value) ? value : resolve(value);
}

function threadsOf(value: string | undefined): number {
  if (value === undefined || value === '') return availableParallelism();
  const threads = Number(value);
  if (!Number.isInteger(threads) || threads < 1 || threads > 256)
    throw new FoilbankError('FB_OPTION_INVALID', {
      option: 'FOILBANK_THREADS',
      value,
      expected: 'a whole number from 1 to 256',
    });
  return threads;
}

function pairsOf(env: Readonly<Record<string, string | undefined>>): PairsConfig | undefined {
  if (!env.FOILBANK_PAIRS) return undefined;
  const csv = resolve(env.FOILBANK_PAIRS);
  const faceBox = env.FOILBANK_PAIRS_FACES || 'detect';
  if (faceBox !== 'detect' && faceBox !== 'whole')
    throw new FoilbankError('FB_OPTION_INVALID', {
      ...{ option: 'FOILBANK_PAIRS_FACES', value: faceBox, expected: 'detect or whole' },
    });
  return { csv, photos: resolve(env.FOILBANK_PAIRS_PHOTOS || dirname(csv)), faceBox };
}
