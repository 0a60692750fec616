import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { packageRoot, resolveConfig } from '../src/config.js';
import { FaceScorer, type Framing } from '../src/faces/index.js';
import { findModel, InferencePool } from '../src/onnx/index.js';

const PHOTOS = 576;
const SIZE = 150;
const BORDERS: Readonly<Record<number, readonly number[]>> = {
  1: [0, 0.25, 0.5, 1],
  2: [0, 0.25, 0.5],
  3: [0, 0.15, 0.25],
  4: [0.1, 0.25, 0.35, 0.5],
  5: [0, 0.1, 0.2, 0.3],
  6: [0, 0.15, 0.3],
  8: [0, 0.1],
};

/**
 * Which share of real face crops the detector finds (score ≥ 0.5), and of the same crops cut into sixteen shuffled pieces, by how many
 * share one pass and how wide their border is. `src/faces/score.ts` uses the cheapest of the best.
 */
export async function run(): Promise<void> {
  const folder = join(
    process.env.FOILBANK_SHARED ?? join(packageRoot(), '..', 'shared'),
    'lfw-dev',
    'images',
  );
  if (!existsSync(folder)) {
    console.log(`framings: skipped, ${folder} is absent`);
    return;
  }
  const names = readdirSync(folder);
  const step = Math.floor(names.length / PHOTOS);
  const files = names.filter((_, i) => i % step === 0).slice(0, PHOTOS);
  const faces = new Float32Array(PHOTOS * 3 * SIZE * SIZE);
  const pieces = new Float32Array(faces.length);
  for (const [n, name] of files.entries()) {
    const data = await sharp(join(folder, name)).toColourspace('srgb').raw().toBuffer();
    for (let c = 0; c < 3; c++)
      for (let i = 0; i < SIZE * SIZE; i++) {
        const at = (n * 3 + c) * SIZE * SIZE + i;
        faces[at] = data[i * 3 + c]!;
        pieces[at] = data[shuffled(i) * 3 + c]!;
      }
  }
  const { cards, cache } = resolveConfig();
  const detector = await findModel({ cards, cache }, 'detector', 'detector');
  const pool = new InferencePool({ threads: 1 });
  const format = { width: SIZE, height: SIZE, colour: 'rgb', range: [0, 255] } as const;
  console.log('tiles  border  found  pieces found  ms/image');
  for (const [tiles, borders] of Object.entries(BORDERS))
    for (const border of borders) {
      const framing: Framing = { tiles: Number(tiles), border, fill: 'edge' };
      const scorer = await FaceScorer.open(pool, detector, format, framing);
      const found = share(await scorer.score(faces));
      const { milliseconds } = scorer.spent;
      const wrong = share(await scorer.score(pieces));
      await scorer.release();
      const cells = [`${tiles}×${tiles}`, border, found, wrong, (milliseconds / PHOTOS).toFixed(2)];
      console.log(cells.map((cell, i) => String(cell).padEnd([7, 8, 7, 14, 8][i]!)).join(''));
    }
  await pool.close();
}

/** Where the pixel comes from when the quarters of rows and columns change places. */
function shuffled(i: number): number {
  const moved = (v: number, by: number) => (v + by) % SIZE;
  const [x, y] = [i % SIZE, Math.floor(i / SIZE)];
  const [column, row] = [Math.floor((x * 4) / SIZE), Math.floor((y * 4) / SIZE)];
  return moved(y, [75, 112, 38, 0][column]!) * SIZE + moved(x, [38, 75, 0, 112][row]!);
}

const share = (scores: Float32Array) =>
  `${((100 * scores.filter((score) => score >= 0.5).length) / scores.length).toFixed(1)} %`;

if (argv[1] === fileURLToPath(import.meta.url)) await run();
