import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { packageRoot, resolveConfig } from '../src/config.js';
import { alignment, decodePhoto, FaceReader, LandmarkFinder, PhotoChips } from '../src/faces/index.js';
import {
  type EmbedderCard,
  float32,
  InferencePool,
  loadModel,
  type Model,
  type TensorData,
} from '../src/onnx/index.js';
import { DEFAULT_NETWORKS, findFaceModels } from '../src/pipeline/index.js';
import { median } from './support/median.js';

export interface PhotosBench {
  readonly name: 'photo to embedding';
  /** Photos a second by chips a second of the bare embedder, which gets one ready chip a run. Median of the rounds. */
  readonly ratio: number;
  /** The same where the bare embedder gets as many chips a run as the reader gives it. */
  readonly ratioToBatches: number;
  /** Both ratios of processor time, which other processes on the machine disturb less. */
  readonly cpuRatio: number;
  readonly cpuRatioToBatches: number;
  readonly photosPerSecond: number;
}

const PHOTOS = 320;
/** As many as a reader gives the embedder. */
const BATCH = 8;
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
  const models = await findFaceModels(folders, DEFAULT_NETWORKS);
  const reader = await FaceReader.open(pool, models);
  const chips = await readyChips(pool, models, photos.slice(0, 4 * BATCH));
  const work = {
    read: async () => {
      for await (const result of reader.embedPhotos(photos, { faceBox: 'whole' }))
        if ('error' in result) throw result.error;
    },
    single: await bareRuns(pool, models.embedder, chips, 1),
    batched: await bareRuns(pool, models.embedder, chips, BATCH),
  };
  const rounds: Record<keyof typeof work, Cost>[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const costs = {
      single: await timed(work.single),
      read: await timed(work.read),
      batched: await timed(work.batched),
    };
    // The first round warms caches and is not counted.
    if (round > 0) rounds.push(costs);
  }
  await pool.close();
  const typical = (of: (round: (typeof rounds)[number]) => number) => median(rounds.map(of));
  const result: PhotosBench = {
    name: 'photo to embedding',
    ratio: typical((r) => r.single.seconds / r.read.seconds),
    ratioToBatches: typical((r) => r.batched.seconds / r.read.seconds),
    cpuRatio: typical((r) => r.single.cpu / r.read.cpu),
    cpuRatioToBatches: typical((r) => r.batched.cpu / r.read.cpu),
    photosPerSecond: typical((r) => PHOTOS / r.read.seconds),
  };
  const both = (ratio: number, cpu: number) => `${ratio.toFixed(2)} (of processor time ${cpu.toFixed(2)})`;
  console.log(
    `photo to embedding: ${both(result.ratio, result.cpuRatio)} of the bare embedder's throughput chip by chip, ` +
      `${both(result.ratioToBatches, result.cpuRatioToBatches)} of its throughput in batches of ${BATCH}; ` +
      `${result.photosPerSecond.toFixed(0)} photos/s on ${threads} threads`,
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

/** As many chips as there are photos through the bare network, `batch` a run, every thread busy. */
async function bareRuns(
  pool: InferencePool,
  model: Model<EmbedderCard>,
  chips: readonly TensorData[],
  batch: number,
): Promise<() => Promise<void>> {
  const network = await loadModel(pool, model);
  const { name, width, height } = model.card.input;
  const each = 3 * width * height;
  const ready = Array.from({ length: Math.floor(chips.length / batch) }, (_, run) => {
    const data = new Float32Array(batch * each);
    for (let i = 0; i < batch; i++) data.set(chips[run * batch + i]!.data as Float32Array, i * each);
    return float32(data, [batch, 3, height, width]);
  });
  return async () => {
    let next = 0;
    const keepBusy = async () => {
      while (next < PHOTOS / batch) await network.run({ [name]: ready[next++ % ready.length]! });
    };
    await Promise.all(Array.from({ length: pool.threads + 1 }, keepBusy));
  };
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
