import { isDrawn } from '../bank/index.js';
import type { InferencePool } from '../onnx/index.js';
import { type Generator, PixelConverter } from '../synthesis/index.js';
import { contactSheet, type SheetOptions, type Tile } from './pictures.js';

const GREY = 128;

/** The pictures of seeds, made again from the seeds: a bank stores none. */
export async function tilesOfSeeds(
  pool: InferencePool,
  generator: Generator,
  seeds: ArrayLike<number>,
  psi: number,
): Promise<Tile[]> {
  const pixels = await PixelConverter.open(pool, generator.card);
  const { width, height } = generator.card.image;
  const tiles: Tile[] = [];
  for (let at = 0; at < seeds.length; at += generator.batch) {
    const some = Array.from(seeds).slice(at, at + generator.batch);
    const shown = some.filter((seed) => !isDrawn(seed));
    const made = shown.length === 0 ? [] : await pixels.convert(await generator.generate(shown, psi));
    // A drawn candidate has no picture: its place stays grey.
    for (const seed of some) {
      const data = isDrawn(seed) ? new Uint8Array(width * height * 3).fill(GREY) : made.shift();
      tiles.push({ data: data as Tile['data'], width, height });
    }
  }
  await pixels.release();
  return tiles;
}

/** A contact sheet of seeds, sixteen a row. @returns a PNG */
export async function sheetOfSeeds(
  pool: InferencePool,
  generator: Generator,
  seeds: ArrayLike<number>,
  psi: number,
  options: Partial<SheetOptions> = {},
): Promise<Buffer> {
  return contactSheet(await tilesOfSeeds(pool, generator, seeds, psi), { across: 16, side: 64, ...options });
}
