import type { Generator, ImageBatch } from './generator.js';

const CELLS = 8;

/** The latent of a card's golden check: z_i = sin(1 + i), a formula that needs no random generator to repeat. */
const sinLatent = (zDim: number): Float32Array =>
  Float32Array.from({ length: zDim }, (_, i) => Math.sin(1 + i));

/** Averages of 8 × 8 cells of an image [3, height, width], channel by channel: 192 numbers. */
export function pooled(image: Float32Array, width: number, height: number): number[] {
  const sums = new Float64Array(3 * CELLS * CELLS);
  const counts = new Float64Array(sums.length);
  for (let channel = 0; channel < 3; channel++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const cell =
          (channel * CELLS + Math.floor((y * CELLS) / height)) * CELLS + Math.floor((x * CELLS) / width);
        sums[cell] = (sums[cell] as number) + (image[(channel * height + y) * width + x] as number);
        counts[cell] = (counts[cell] as number) + 1;
      }
  return Array.from(sums, (sum, cell) => sum / (counts[cell] as number));
}

/** The image that a card's golden check looks at. */
export const goldenImage = (generator: Generator, psi: number): Promise<ImageBatch> =>
  generator.fromLatents(sinLatent(generator.card.zDim), 1, psi);
