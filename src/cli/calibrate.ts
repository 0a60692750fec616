import { Command } from 'commander';
import { type Manifest, showBank } from '../bank/index.js';
import { DRAWS_PER_FACE } from '../discrepancy/index.js';
import { FoilbankError } from '../errors.js';
import { FaceReader } from '../faces/index.js';
import { readBytes } from '../files.js';
import type { InferencePool } from '../onnx/index.js';
import { calibrateBank, matrixOf, RateMeter } from '../pipeline/index.js';
import { OPERATORS, type OperatorName } from '../scoring/index.js';
import { parseNpy, UnitMatrix } from '../vectors/index.js';
import { DEFAULT_BANK, storeOf } from './bank-options.js';
import { type CliContext, type ContextOf, print, printJson, say, withPool } from './context.js';
import { describeBank } from './describe-bank.js';
import { checkEmbedder, type FaceModelOptions, faceModels, withFaceModels } from './model-options.js';
import { real } from './options.js';
import { photosOf } from './photo-paths.js';
import { progressView } from './progress.js';
import { Reported } from './reported.js';

interface CalibrateOptions extends FaceModelOptions {
  readonly bank: string;
  readonly embeddings?: string;
  readonly whole?: boolean;
  readonly draws?: number;
  readonly operator?: OperatorName;
  readonly json?: boolean;
}

export function calibrateCommand(context: ContextOf): Command {
  const command = new Command('calibrate')
    .description("move a bank's virtual faces to where embeddings of real photos lie, as a new version")
    .argument('[photos...]', 'photos of many people, without names, or folders of them')
    .option('--embeddings <file.npy>', "embeddings instead of photos, made by the bank's own embedder")
    .option('--bank <name>', 'support bank', DEFAULT_BANK)
    .option('--whole', 'each photo is a crop that one face fills: skip the detector')
    .option(
      '--draws <ratio>',
      `vectors drawn beside each face, 0 for faces alone (default: ${DRAWS_PER_FACE})`,
      real(0, 10),
    )
    .option(
      '--operator <name>',
      `what the bank recommends then: ${OPERATORS.join(', ')} (default: fuse, with an embedder that was never measured none)`,
    )
    .option('--json', 'one JSON document')
    .addHelpText(
      'after',
      `
Only the number of embeddings, their mean and covariances are kept, no photo and no embedding. How strongly faces are moved
follows from how many there are; 200 help, 1,000 do best. A bank that is calibrated stays so when it is refreshed.

Examples:
  foilbank calibrate visitors/ --bank default
  foilbank calibrate --embeddings faces.npy`,
    );
  return withFaceModels(command).action(async (photos: string[], options: CalibrateOptions, self: Command) =>
    calibrate(context(self), photos, options),
  );
}

async function calibrate(context: CliContext, photos: string[], options: CalibrateOptions): Promise<void> {
  const { embeddings: file, bank, json } = options;
  if ((file === undefined) === (photos.length === 0))
    throw new FoilbankError('FB_OPTION_INVALID', {
      ...{ option: 'embeddings', value: `${file} beside ${photos.length} photos` },
      expected: 'either photos or a file of embeddings',
    });
  const { store, signal } = { store: storeOf(context), signal: context.signal };
  const service = await showBank(store, bank);
  const unread: string[] = [];
  const manifest = await withPool(context, async (pool) => {
    const sample =
      file === undefined
        ? await sampleOfPhotos(context, pool, photos, options, service, unread)
        : await sampleOfFile(file, service.inputs.embedder.dimension);
    const { draws: drawsPerFace, operator } = options;
    return calibrateBank({
      ...(operator === undefined ? {} : { operator: { operator } }),
      pool,
      store,
      bank,
      sample,
      drawsPerFace,
      signal,
      onStep: (step) => !json && say(step),
    });
  });
  if (json) printJson({ bank, version: manifest.version, unread: unread.length, manifest });
  else {
    say(`bank ${bank}: version ${manifest.version} is in service`);
    print(describeBank(manifest));
  }
  if (unread.length > 0) throw new Reported(3);
}

async function sampleOfFile(file: string, dimension: number): Promise<UnitMatrix> {
  const { data, shape } = parseNpy(await readBytes(file), file);
  const length = shape[1] ?? shape[0];
  if (length !== dimension)
    throw new FoilbankError('FB_EMBEDDING_LENGTH', { what: file, actual: length, expected: dimension });
  return UnitMatrix.normalise(data, dimension, file);
}

async function sampleOfPhotos(
  context: CliContext,
  pool: InferencePool,
  paths: readonly string[],
  options: CalibrateOptions,
  service: Manifest,
  unread: string[],
): Promise<UnitMatrix> {
  const models = await faceModels(context, options);
  checkEmbedder(service, models);
  const photos = await photosOf(paths);
  const view = progressView('reading', 'photos', options.json ?? false);
  const meter = new RateMeter(photos.length);
  const faces: Float32Array[] = [];
  try {
    const reader = await FaceReader.open(pool, models);
    let done = 0;
    for await (const result of reader.embedPhotos(photos, { faceBox: options.whole ? 'whole' : 'detect' })) {
      if (context.signal.aborted) throw new FoilbankError('FB_CANCELLED', { what: 'calibration' });
      if ('face' in result) faces.push(result.face.embedding);
      else unread.push(`${result.photo}  ${result.error.code}: ${result.error.message}`);
      view.update(meter.update(++done), unread.length > 0 ? `${unread.length} unread` : undefined);
    }
  } finally {
    view.stop();
  }
  if (!options.json) for (const line of unread) say(`left out  ${line}`);
  return matrixOf(faces, service.inputs.embedder.dimension);
}
