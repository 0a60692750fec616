import sharp, { type Sharp } from 'sharp';
import type { Photo, PhotoChange } from '../faces/index.js';
import { hashOf, randomFrom } from './random.js';

export type Quality = 'kept' | 'low resolution' | 'blur' | 'darkness';

/**
 * What becomes of a photo: kept with probability ½, else one of three faults, each as likely. Hangs on the photo's content and the seed
 * alone.
 *
 * @param hash of the photo's bytes
 */
export function qualityOf(
  hash: string,
  seed: number,
): { readonly quality: Quality; readonly draw: () => number } {
  const draw = randomFrom(hashOf(hash, seed));
  const faults: readonly Quality[] = ['low resolution', 'blur', 'darkness'];
  const kept = draw() < 0.5;
  const fault = faults[Math.floor(draw() * faults.length)]!;
  return { quality: kept ? 'kept' : fault, draw };
}

/**
 * Photos as they come from cameras on walls and old telephones: half of them as they are, the others with a face of 24 to 48 pixels
 * (scaled down and up again), blurred (Gaussian of 1.2 to 2.4 % of the face's side), or dark (15 to 40 % of the light) and saved as
 * JPEG of quality 10 to 30. So hard that the default embedder's true accept rate at FAR 1e-4 and 1e-5 falls from 76 and 51 % to about 42
 * and 23 % (docs/accuracy.md).
 */
export function mixedQuality(seed: number): PhotoChange {
  return {
    name: `mixed-quality/2/${seed}`,
    async apply(photo, hash, faceSide) {
      const { quality, draw } = qualityOf(hash, seed);
      const between = (low: number, high: number) => low + (high - low) * draw();
      const { width, height } = photo;
      if (quality === 'kept') return photo;
      const image = () => sharp(Buffer.from(photo.pixels), { raw: { width, height, channels: 3 } });
      if (quality === 'blur') return pixelsOf(photo, image().blur(faceSide * between(0.012, 0.024)));
      if (quality === 'darkness') {
        const dark = image().linear(between(0.15, 0.4), 0);
        return pixelsOf(photo, sharp(await dark.jpeg({ quality: Math.round(between(10, 30)) }).toBuffer()));
      }
      const factor = Math.min(1, between(24, 48) / faceSide);
      const scaled = (side: number) => Math.max(1, Math.round(side * factor));
      const { data, info } = await image()
        .resize(scaled(width), scaled(height), { fit: 'fill' })
        .raw()
        .toBuffer({ resolveWithObject: true });
      const small = sharp(data, { raw: { width: info.width, height: info.height, channels: 3 } });
      return pixelsOf(photo, small.resize(width, height, { fit: 'fill', kernel: 'cubic' }));
    },
  };
}

async function pixelsOf({ name, width, height }: Photo, image: Sharp): Promise<Photo> {
  const pixels = await image.toColourspace('srgb').removeAlpha().raw({ depth: 'uchar' }).toBuffer();
  return { name, width, height, pixels };
}
