import { FoilbankError } from '../errors.js';
import type { GeneratorCard } from '../onnx/index.js';
import type { Generator, ImageBatch } from './generator.js';

const CELLS = 8;

/** The latent of a card's golden check: z_i = sin(1 + i), a formula that needs no random generator to repeat. */
const sinLatent = (zDim: number): Float32Array =>
  Float32Array.from({ length: zDim }, (_, i) => Math.sin(1 + i));

/** Averages of 8 × 8 cells, channel by channel: 192 numbers. Width and height are multiples of 8. */
function pooled({ images, width, height }: ImageBatch): number[] {
  const cells = new Array<number>(3 * CELLS * CELLS).fill(0);
  const share = (CELLS * CELLS) / (width * height);
  for (let channel = 0; channel < 3; channel++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const cell =
          (channel * CELLS + Math.floor((y * CELLS) / height)) * CELLS + Math.floor((x * CELLS) / width);
        cells[cell] =
          (cells[cell] as number) + (images[(channel * height + y) * width + x] as number) * share;
      }
  return cells;
}

/** The golden field of a generator's card, as the network gives it now. */
export async function generatorGolden(generator: Generator, psi: number): Promise<GeneratorCard['golden']> {
  const image = await generator.fromLatents(sinLatent(generator.card.zDim), 1, psi);
  return { latent: 'sin', psi, pooled: pooled(image), tolerance: 2e-3 };
}

/** Runs a generator's golden check. @throws FoilbankError FB_MODEL_GOLDEN_MISMATCH */
export async function checkGeneratorGolden(generator: Generator): Promise<void> {
  const { name, golden } = generator.card;
  const cells = (await generatorGolden(generator, golden.psi)).pooled;
  const differences = cells.map((value, i) => Math.abs(value - (golden.pooled[i] as number)));
  const difference = Math.max(...differences);
  // Written so that NaN fails too.
  if (!(difference <= golden.tolerance))
    throw new FoilbankError('FB_MODEL_GOLDEN_MISMATCH', {
      card: name,
      difference,
      tolerance: golden.tolerance,
    });
}
