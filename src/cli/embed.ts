import { Command } from 'commander';
import { FoilbankError } from '../errors.js';
import { type Face, FaceReader, type FaceResult } from '../faces/index.js';
import { writeWhole } from '../files.js';
import { type Progress, RateMeter } from '../pipeline/index.js';
import { formatNpy } from '../vectors/index.js';
import { type CliContext, type ContextOf, print, printJson, say, warn, withPool } from './context.js';
import { type FaceModelOptions, faceModels, withFaceModels } from './model-options.js';
import { photosOf } from './photo-paths.js';
import { progressView } from './progress.js';
import { Reported } from './reported.js';

interface EmbedOptions extends FaceModelOptions {
  readonly out?: string;
  readonly whole?: boolean;
  readonly json?: boolean;
}

export function embedCommand(context: ContextOf): Command {
  const command = new Command('embed')
    .argument('<photos...>', 'photos (JPEG, PNG, WebP, AVIF), or folders of them')
    .option('--out <file>', 'write them to this NumPy file: float32 [photos, d], and their names to FILE.txt')
    .option('--whole', 'each photo is a crop that one face fills: skip the detector')
    .option('--json', 'one JSON line a photo')
    .addHelpText(
      'after',
      `
A photo that cannot be read is listed at the end and the rest is done (exit code 3).

Examples:
  foilbank embed anna.jpg ben.jpg --out faces.npy
  foilbank embed photos/ --out faces.npy
  foilbank embed crops/ --whole --json | head -1`,
    );
  return withFaceModels(command).action(async (photos: string[], options: EmbedOptions, self: Command) =>
    embed(context(self), photos, options),
  );
}

async function embed(context: CliContext, paths: readonly string[], options: EmbedOptions): Promise<void> {
  const photos = await photosOf(paths);
  const models = await faceModels(context, options);
  const view = progressView('embedding', 'photos', false);
  const faces: Face[] = [];
  const failed: { photo: string; code: string; message: string }[] = [];
  await withPool(context, async (pool) => {
    const reader = await FaceReader.open(pool, models);
    const meter = new RateMeter(photos.length);
    let done = 0;
    for await (const result of reader.embedPhotos(photos, { faceBox: options.whole ? 'whole' : 'detect' })) {
      if (context.signal.aborted) throw new FoilbankError('FB_CANCELLED', { what: 'embedding' });
      if ('face' in result) faces.push(result.face);
      else failed.push({ photo: result.photo, code: result.error.code, message: result.error.message });
      if (options.json) printJson(lineOf(result));
      const progress: Progress = meter.update(++done);
      if (photos.length > 8) view.update(progress, failed.length > 0 ? `${failed.length} failed` : undefined);
    }
  }).finally(() => view.stop());
  for (const { warnings } of faces) for (const { message } of warnings) if (!options.json) warn(message);
  if (options.out !== undefined && faces.length > 0)
    await writeEmbeddings(options.out, faces, models.embedder.card.output.dimension);
  if (!options.json) {
    if (options.out === undefined) for (const face of faces) print(describe(face));
    for (const { photo, code, message } of failed) say(`failed   ${photo}  ${code}: ${message}`);
    say(
      `${faces.length} embedded, ${failed.length} failed${options.out === undefined ? '' : ` → ${options.out}`}`,
    );
  }
  if (failed.length > 0) throw new Reported(faces.length > 0 ? 3 : 1);
}

const rounded = (box: Face['box']) => ({
  x: Math.round(box.x),
  y: Math.round(box.y),
  width: Math.round(box.width),
  height: Math.round(box.height),
});

function lineOf(result: FaceResult) {
  if (!('face' in result)) {
    const { code, message, remedy } = result.error;
    return { photo: result.photo, error: { code, message, remedy } };
  }
  const { photo, box, score, warnings, embedding } = result.face;
  return { photo, box: rounded(box), score, warnings, embedding: Array.from(embedding) };
}

function describe({ photo, box, score, embedding }: Face): string {
  const { x, y, width, height } = rounded(box);
  const certainty = score === undefined ? '' : ` score ${score.toFixed(2)}`;
  return `${photo}  face ${width}×${height} at ${x},${y}${certainty}  [${embedding.length}]`;
}

async function writeEmbeddings(out: string, faces: readonly Face[], dimension: number): Promise<void> {
  const data = new Float32Array(faces.length * dimension);
  faces.forEach((face, i) => {
    data.set(face.embedding, i * dimension);
  });
  await writeWhole(`${out}.txt`, faces.map(({ photo }) => `${photo}\n`).join(''));
  await writeWhole(out, formatNpy({ data, shape: [faces.length, dimension] }));
}
