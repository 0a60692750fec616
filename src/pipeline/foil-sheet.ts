import sharp from 'sharp';
import { decodePhoto, type Face } from '../faces/index.js';
import type { GeneratorCard, InferencePool, Model } from '../onnx/index.js';
import { Generator } from '../synthesis/index.js';
import { contactSheet, type Tile } from './pictures.js';
import { tilesOfSeeds } from './sheet.js';

export interface Foil {
  readonly id: string;
  readonly seed: number;
  readonly similarity: number;
}

/**
 * A face beside its look-alikes with their similarities, four a row.
 * @param caption under the face; default: the photo's file name
 * @returns a PNG
 * @throws FoilbankError of `decodePhoto`, `loadModel`
 */
export async function foilSheet(
  pool: InferencePool,
  model: Model<GeneratorCard>,
  psi: number,
  face: Face,
  foils: readonly Foil[],
  caption = face.photo.split('/').at(-1) ?? face.photo,
): Promise<Buffer> {
  const generator = await Generator.open(pool, model);
  const tiles = await tilesOfSeeds(
    pool,
    generator,
    foils.map((f) => f.seed),
    psi,
  );
  await generator.release();
  const captions = foils.map(({ id, similarity }) => `${similarity.toFixed(3)}  ${id}`);
  const query = { tile: await portrait(face), caption };
  return contactSheet(tiles, { across: 4, side: 96, captions, query });
}

/** The face with some of its surroundings, square. */
async function portrait({ photo, box }: Face): Promise<Tile> {
  const { width, height, pixels } = await decodePhoto(photo);
  const side = Math.min(Math.round(1.6 * Math.max(box.width, box.height)), width, height);
  const inside = (centre: number, extent: number) =>
    Math.max(0, Math.min(extent - side, Math.round(centre - side / 2)));
  const left = inside(box.x + box.width / 2, width);
  const top = inside(box.y + box.height / 2, height);
  // The image library reads no shared memory.
  const data = await sharp(Buffer.from(pixels), { raw: { width, height, channels: 3 } })
    .extract({ left, top, width: side, height: side })
    .raw()
    .toBuffer();
  return { data, width: side, height: side };
}
