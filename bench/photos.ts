import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { packageRoot, resolveConfig } from '../src/config.js';
import {
  alignment,
  decodePhoto,
  type Embedder,
  FaceReader,
  LandmarkFinder,
  PhotoChips,
} from '../src/faces/index.js';
import { findModel, InferencePool, type TensorData } from '../src/onnx/index.js';

export interface PhotosBench {
  readonly name: 'photo to embedding';
  /** Photos a second by bare embedder runs a second, median of the rounds. */
  readonly ratio: number;
  /** The same of processor time, which other processes on the machine disturb less. */
  readonly cpuRatio: number;
  readonly photosPerSecond: number;
  readonly runsPerSecond: number;
}

const PHOTOS = 300;
const ROUNDS = 7;

/**
 * Photo → embedding over aligned crops whose face box is known, beside the bare embedder on ready chips, by turns in the same pool.
 *
 * @returns undefined where the photos are absent
 */
export async function run(): Promise<PhotosBench | undefined> {
  const folder = join(
    process.env.FOILBANK_SHARED ?? join(packageRoot(), '..', 'shared'),
    'lfw-dev',
    'images',
  );
  if (!existsSync(folder)) {
    console.log(`photo to embedding: skipped, ${folder} is absent`);
    return undefined;
  }
  const photos = readdirSync(folder)
    .slice(0, PHOTOS)
    .map((name) => join(folder, name));
  const { cards, cache, threads } = resolveConfig();
  const folders = { cards, cache };
  const pool = new InferencePool({ threads });
  const models = {
    detector: await findModel(folders, 'detector', 'detector'),
    landmarks: await findModel(folders, 'landmarks', 'landmarks'),
    embedder: await findModel(folders, 'recogniser', 'embedder'),
  };
  const reader = await FaceReader.open(pool, models);
  const chips = await readyChips(pool, models, photos.slice(0, 32));
  const read = async () => {
    for await (const result of reader.embedPhotos(photos, { faceBox: 'whole' }))
      if ('error' in result) throw result.error;
  };
  const bare = () => embedAll(reader.embedder, chips, photos.length, threads + 1);

  await read();
  await bare();
  const rounds = [];
  for (let round = 0; round < ROUNDS; round++)
    rounds.push({ bare: await timed(bare), read: await timed(read) });
  await pool.close();
  const median = (of: (round: { bare: Cost; read: Cost }) => number) =>
    rounds.map(of).sort((a, b) => a - b)[Math.floor(ROUNDS / 2)]!;
  const result: PhotosBench = {
    name: 'photo to embedding',
    ratio: median((r) => r.bare.seconds / r.read.seconds),
    cpuRatio: median((r) => r.bare.cpu / r.read.cpu),
    photosPerSecond: median((r) => photos.length / r.read.seconds),
    runsPerSecond: median((r) => photos.length / r.bare.seconds),
  };
  console.log(
    `photo to embedding: ${result.ratio.toFixed(2)} of the bare embedder's throughput (processor time ${result.cpuRatio.toFixed(2)}), ` +
      `${result.photosPerSecond.toFixed(0)} photos/s beside ${result.runsPerSecond.toFixed(0)} chips/s on ${threads} threads`,
  );
  return result;
}

async function readyChips(
  pool: InferencePool,
  models: Parameters<typeof FaceReader.open>[1],
  photos: readonly string[],
): Promise<TensorData[]> {
  const finder = await LandmarkFinder.open(pool, models.landmarks);
  const { input, align } = models.embedder.card;
  const cutter = await PhotoChips.open(pool, input);
  return Promise.all(
    photos.map(async (path) => {
      const photo = await decodePhoto(path);
      const landmarks = await finder.find(photo, { x: 0, y: 0, width: photo.width, height: photo.height });
      return cutter.cut(photo, alignment(landmarks, align.template)!);
    }),
  );
}

/** `count` runs, `width` at once. Chips are copied, since a run takes their memory. */
async function embedAll(
  embedder: Embedder,
  chips: readonly TensorData[],
  count: number,
  width: number,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) {
      const chip = chips[next++ % chips.length]!;
      await embedder.raw({ ...chip, data: chip.data.slice() } as TensorData);
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
}

interface Cost {
  readonly seconds: number;
  /** Processor time of all threads, in seconds. */
  readonly cpu: number;
}

async function timed(work: () => Promise<void>): Promise<Cost> {
  const [started, cpu] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(cpu);
  return { seconds: (performance.now() - started) / 1000, cpu: (user + system) / 1e6 };
}

if (argv[1] === fileURLToPath(import.meta.url)) await run();
