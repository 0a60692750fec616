export { Generator, type GeneratorOptions, type ImageBatch } from './generator.js';
export { goldenImage, pooled } from './golden.js';
export { latents, MAX_SEED } from './latent.js';
export { PixelConverter } from './pixels.js';
