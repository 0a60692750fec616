import { ImageChips, similarity, templateOf } from '../faces/index.js';
import {
  type GeneratorCard,
  holdAgainstGolden,
  type InferencePool,
  largestDifference,
  type Model,
} from '../onnx/index.js';
import { Generator, goldenImage, pooled } from '../synthesis/index.js';

/** The golden field of a generator's card, as the network and the card give it now. */
export async function generatorGolden(
  pool: InferencePool,
  model: Model<GeneratorCard>,
  psi: number,
): Promise<GeneratorCard['golden']> {
  const generator = await Generator.open(pool, model);
  const { images, width, height } = await goldenImage(generator, psi);
  await generator.release();
  const image = pooled(images, width, height).map(rounded);
  const chip = await chipOf(pool, model.card, images);
  return { latent: 'sin', psi, pooled: image, ...(chip ? { chip } : {}), tolerance: 2e-3 };
}

/** @throws FoilbankError FB_MODEL_GOLDEN_MISMATCH */
export async function checkGeneratorGolden(pool: InferencePool, model: Model<GeneratorCard>): Promise<void> {
  const { golden } = model.card;
  const found = await generatorGolden(pool, model, golden.psi);
  // Chips have 255 grey levels where images have a range of their own.
  holdAgainstGolden(model.card, [
    largestDifference(found.pooled, golden.pooled),
    ...(golden.chip ? [largestDifference(found.chip ?? [], golden.chip) / 128] : []),
  ]);
}

/** The chip that the card's own template cuts out, RGB in 0..255, averaged; none where faces have to be found. */
async function chipOf(
  pool: InferencePool,
  { align, image }: GeneratorCard,
  images: Float32Array,
): Promise<number[] | undefined> {
  if (align.mode !== 'fixed') return undefined;
  const { size } = templateOf(align.template);
  const plain = { name: 'chips', layout: 'NCHW', colour: 'rgb', scale: 1 } as const;
  const chips = await ImageChips.open(
    pool,
    { ...plain, mean: [0, 0, 0], width: size, height: size },
    image,
    similarity(align.scale, align.rotation, ...align.translation),
  );
  const { data } = await chips.cut(images);
  await chips.release();
  return pooled(data as Float32Array, size, size).map(rounded);
}

const rounded = (value: number): number => Number(value.toFixed(5));
