import { mixedQuality } from '../evaluation/index.js';
import type { GeneratorCard } from '../onnx/index.js';
import type { ImageBatch, PixelConverter } from '../synthesis/index.js';

/** What cards call `mixed-quality/2`; its own seed tells it from what `evaluate --mixed` does to photos. */
const CHANGE = mixedQuality(0);

/**
 * Generated images as bad photos would show the faces: about half as they are, the others at low resolution, blurred or dark. What becomes of an
 * image hangs on its seed alone.
 *
 * @param faceSide of the face, in pixels of the image
 * @returns float32 [count, 3, height, width] as the card says, like the images that came
 */
export async function wornImages(
  pixels: PixelConverter,
  batch: ImageBatch,
  seeds: readonly number[],
  { range: [low, high], colour }: GeneratorCard['image'],
  faceSide: number,
): Promise<Float32Array> {
  const { count, width, height } = batch;
  const images = batch.images.slice();
  const area = width * height;
  const converted = await pixels.convert(batch);
  await Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const photo = { name: `seed ${seeds[i]}`, width, height, pixels: converted[i] as Uint8Array };
      const worn = await CHANGE.apply(photo, photo.name, faceSide);
      // Those that are kept stay to the last bit.
      if (worn === photo) return;
      for (let channel = 0; channel < 3; channel++) {
        const from = colour === 'rgb' ? channel : 2 - channel;
        const at = (3 * i + channel) * area;
        for (let p = 0; p < area; p++)
          images[at + p] = low + ((high - low) * (worn.pixels[3 * p + from] as number)) / 255;
      }
    }),
  );
  return images;
}
