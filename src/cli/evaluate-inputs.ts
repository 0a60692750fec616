import { readdir } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import type { Command } from 'commander';
import { FoilbankError } from '../errors.js';
import {
  contradictions,
  identityOfPhoto,
  mixedQuality,
  type PairTrials,
  parseGroups,
  parseLabels,
  qualityOf,
} from '../evaluation/index.js';
import { type FaceModels, PhotoEmbeddings } from '../faces/index.js';
import { readBytes } from '../files.js';
import type { InferencePool } from '../onnx/index.js';
import { parsePairs, RateMeter } from '../pipeline/index.js';
import { parseNpy, UnitMatrix } from '../vectors/index.js';
import type { CliContext } from './context.js';
import { whole } from './options.js';
import { progressView } from './progress.js';

export interface InputOptions {
  readonly embeddings?: string;
  readonly labels?: string;
  readonly whole?: boolean;
  readonly pairs?: string;
  readonly groups?: string;
  readonly mixed?: boolean;
  readonly seed: number;
  readonly cache?: string;
  readonly json?: boolean;
}

/** Labelled embeddings to evaluate. */
export interface Collection {
  readonly embeddings: UnitMatrix;
  readonly labels: readonly string[];
  /** Of each photo: what lists call it. */
  readonly names: readonly string[];
  /** Of each photo: its file. Absent where the embeddings came ready. */
  readonly files?: readonly string[];
  readonly groups: readonly (string | undefined)[] | undefined;
  readonly pairs: PairTrials | undefined;
  readonly warnings: readonly string[];
  /** Of what the warnings say, by the names of photos: for nobody but who has them. */
  readonly examples: readonly string[];
}

/** Adds the argument and options that name labelled photos or embeddings. */
export function withInputs(command: Command): Command {
  return command
    .argument('[photos]', 'folder of photos: one folder a person, or files named NAME_0001.jpg')
    .option('--embeddings <file>', 'ready embeddings instead: NumPy file [n, d]')
    .option('--labels <file>', 'of --embeddings: one identity (or photo name) a line; default FILE.txt')
    .option('--whole', 'each photo is a crop that one face fills: skip the detector')
    .option('--mixed', 'mixed quality: half of the photos at low resolution, blurred or dark')
    .option('--seed <number>', 'of everything that is drawn', whole(0, 2 ** 31 - 1), 1)
    .option(
      '--cache <folder>',
      'where embeddings of photos are kept (biometric data; default: the cache folder)',
    );
}

/** @throws FoilbankError FB_OPTION_INVALID unless one of both is given, and those of {@link collectionOfNpy} and {@link collectionOfPhotos} */
export function collectionOf(
  context: CliContext,
  pool: InferencePool,
  models: FaceModels,
  photos: string | undefined,
  options: InputOptions,
): Promise<Collection> {
  if ((photos === undefined) === (options.embeddings === undefined))
    throw new FoilbankError('FB_OPTION_INVALID', {
      ...{ option: 'photos', value: photos ?? 'nothing' },
      expected: 'a folder of photos or --embeddings, one of both',
    });
  return photos === undefined
    ? collectionOfNpy(options.embeddings as string, options)
    : collectionOfPhotos(context, pool, models, photos, options);
}

const PHOTO = /\.(jpe?g|png|webp|avif)$/i;

/** Embeddings of a NumPy file, labelled line by line. @throws FoilbankError FB_FILE_UNREADABLE, FB_NPY_INVALID, FB_LABELS_INVALID, FB_EMBEDDING_… */
async function collectionOfNpy(file: string, options: InputOptions): Promise<Collection> {
  const { data, shape } = parseNpy(await readBytes(file), file);
  const embeddings = UnitMatrix.normalise(data, shape[1] ?? shape[0], file);
  const labelsFile = options.labels ?? `${file}.txt`;
  const lines = parseLabels(await readText(labelsFile), embeddings.rows, labelsFile);
  // The file that `foilbank embed` writes names photos, which name identities.
  const labels = lines.map((line) => (PHOTO.test(line) ? identityOfPhoto(line, dirname(line)) : line));
  return finished(embeddings, labels, lines, undefined, options, []);
}

/** The photos of a folder, embedded. @throws FoilbankError FB_FILE_UNREADABLE, FB_PHOTOS_NONE, FB_CANCELLED, and what the networks throw */
async function collectionOfPhotos(
  context: CliContext,
  pool: InferencePool,
  models: FaceModels,
  folder: string,
  options: InputOptions,
): Promise<Collection> {
  const inside = await readdir(folder, { recursive: true }).catch((error: Error) => {
    throw new FoilbankError('FB_FILE_UNREADABLE', { file: folder, reason: error.message }, { cause: error });
  });
  const all = inside
    .filter((name) => PHOTO.test(name))
    .sort()
    .map((name) => join(folder, name));
  if (all.length === 0) throw new FoilbankError('FB_PHOTOS_NONE', { folder });
  const cache = options.cache ?? join(context.config.cache, 'embeddings');
  const reader = new PhotoEmbeddings(pool, { faceBox: options.whole ? 'whole' : 'detect', cache });
  const view = progressView('embedding', 'photos', options.json ?? false);
  let meter: RateMeter | undefined;
  const found = await reader
    .embed(all, models, {
      ...{ change: options.mixed ? mixedQuality(options.seed) : undefined, signal: context.signal },
      onProgress: (done, total, known) => {
        meter ??= new RateMeter(total, known);
        view.update(meter.update(done), known > 0 ? `${known} known already` : undefined);
      },
    })
    .finally(() => view.stop());
  const rows = all.flatMap((_, i) => (found[i] ? [i] : []));
  const files = rows.map((i) => all[i]!);
  const { dimension } = models.embedder.card.output;
  const embeddings = UnitMatrix.concat(
    rows.map((i) => UnitMatrix.adopt(found[i]!, dimension, all[i])),
    dimension,
  );
  const warnings =
    rows.length < all.length
      ? [`${all.length - rows.length} of ${all.length} photos are left out: no face could be read in them`]
      : [];
  const labels = files.map((file) => identityOfPhoto(file, folder));
  const names = files.map((file) => relative(folder, file));
  return finished(embeddings, labels, names, files, options, warnings);
}

async function finished(
  embeddings: UnitMatrix,
  labels: readonly string[],
  names: readonly string[],
  files: readonly string[] | undefined,
  options: InputOptions,
  warnings: readonly string[],
): Promise<Collection> {
  const twice = contradictions(embeddings, labels);
  const [one] = twice;
  const said = one
    ? [`${twice.length} photos are equal to one of somebody else: one label of each is wrong`]
    : [];
  const pairs =
    options.pairs === undefined
      ? undefined
      : await pairsOf(options.pairs, labels, names, files !== undefined);
  return {
    ...{ embeddings, labels, names, ...(files ? { files } : {}) },
    groups: await groupsOf(options, labels, names, files),
    pairs: pairs?.trials,
    warnings: [...warnings, ...said, ...(pairs?.warnings ?? [])],
    examples: one ? [`for example ${names[one.first]} and ${names[one.second]} are equal`] : [],
  };
}

async function groupsOf(
  { groups, mixed, seed }: InputOptions,
  labels: readonly string[],
  names: readonly string[],
  files: readonly string[] | undefined,
) {
  if (groups !== undefined) {
    const known = parseGroups(await readText(groups), groups);
    const found = names.map(
      (name, i) => known.get(name) ?? known.get(basename(name)) ?? known.get(labels[i]!),
    );
    if (found.every((group) => group === undefined))
      throw new FoilbankError('FB_LABELS_INVALID', {
        file: groups,
        reason: 'it names no photo and no identity that is here',
      });
    return found;
  }
  // What became of each photo: blurred ones are said to match everybody.
  if (!mixed || !files) return undefined;
  const { createHash } = await import('node:crypto');
  const found: string[] = [];
  for (const file of files)
    found.push(
      qualityOf(
        createHash('sha256')
          .update(await readBytes(file))
          .digest('hex'),
        seed,
      ).quality,
    );
  return found;
}

/** Labelled pairs among the photos. @throws FoilbankError FB_PAIRS_INVALID, FB_PAIRS_TOO_FEW */
async function pairsOf(file: string, labels: readonly string[], names: readonly string[], photos: boolean) {
  const parsed = parsePairs(await readBytes(file), file);
  const invalid = (row: number, reason: string) =>
    new FoilbankError('FB_PAIRS_INVALID', { file, row, reason });
  const rows = new Map<string, number>();
  names.forEach((name, i) => {
    rows.set(name, i).set(basename(name), i);
  });
  const seen = new Map<string, boolean>();
  let contrary = 0;
  const trials = parsed.map(({ a, b, same, row }) => {
    const [left, right] = [rows.get(a), rows.get(b)];
    for (const [name, found] of [
      [a, left],
      [b, right],
    ] as const)
      if (found === undefined)
        throw invalid(
          row,
          `${JSON.stringify(name)} is ${photos ? 'no photo of the folder with a face' : 'not among the labels'}`,
        );
    const key = [a, b].sort().join('\0');
    if ((seen.get(key) ?? same) !== same) throw invalid(row, 'the same pair is labelled otherwise above');
    seen.set(key, same);
    if ((labels[left!] === labels[right!]) !== same) contrary++;
    return { left: left!, right: right!, same };
  });
  const genuine = Uint8Array.from(trials, ({ same }) => Number(same));
  const count = genuine.reduce((sum, x) => sum + x, 0);
  if (count < 10 || genuine.length - count < 10)
    throw new FoilbankError('FB_PAIRS_TOO_FEW', { file, genuine: count, impostor: genuine.length - count });
  return {
    trials: {
      left: Uint32Array.from(trials, ({ left }) => left),
      right: Uint32Array.from(trials, ({ right }) => right),
      genuine,
    },
    warnings:
      contrary > 0
        ? [
            `${contrary} pairs are labelled otherwise than their photos' identities: the pairs' labels count for the 10-fold accuracy only`,
          ]
        : [],
  };
}

const readText = async (file: string): Promise<string> =>
  new TextDecoder().decode(await readBytes(resolve(file)));
