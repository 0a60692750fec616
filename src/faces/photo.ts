import { type FileHandle, open } from 'node:fs/promises';
import sharp from 'sharp';
import { FoilbankError, reasonOf } from '../errors.js';

// Photos come once: a cache of decoded ones only fragments memory. Parallel photos, not threads inside one, fill the cores.
sharp.cache(false);
sharp.concurrency(1);

/** A decoded photo. */
export interface Photo {
  /** The file's path, or what the caller calls it. */
  readonly name: string;
  readonly width: number;
  readonly height: number;
  /** RGB, 8 bits a channel, row after row: width × height × 3 bytes. */
  readonly pixels: Uint8Array;
}

export interface PhotoOptions {
  /** Width × height above which a photo is refused before it is decoded: a few bytes can unpack to gigabytes. Default 50 million. */
  readonly maxPixels: number;
  /** What errors call a photo that is given as bytes. */
  readonly name: string;
}

export function resolvePhotoOptions(options: Partial<PhotoOptions> = {}): PhotoOptions {
  const resolved = { maxPixels: 50_000_000, name: '(bytes)', ...options };
  const { maxPixels } = resolved;
  if (!Number.isInteger(maxPixels) || maxPixels < 1 || maxPixels > 1_000_000_000)
    throw new FoilbankError('FB_OPTION_INVALID', {
      option: 'maxPixels',
      value: maxPixels,
      expected: 'a whole number from 1 to 1000000000',
    });
  return Object.freeze(resolved);
}

/**
 * Reads a JPEG, PNG, WebP or AVIF photo: turned as its EXIF orientation says, transparency on white, any colour space and depth to
 * 8-bit sRGB. Decoding runs outside the main thread.
 *
 * @param source path, or the bytes of the file
 * @throws FoilbankError FB_PHOTO_MISSING, FB_PHOTO_EMPTY, FB_PHOTO_NOT_AN_IMAGE, FB_PHOTO_DAMAGED, FB_PHOTO_TOO_LARGE,
 *   FB_FILE_UNREADABLE
 */
export async function decodePhoto(
  source: string | Uint8Array,
  options: Partial<PhotoOptions> = {},
): Promise<Photo> {
  const resolved = resolvePhotoOptions(
    typeof source === 'string' ? { ...options, name: options.name ?? source } : options,
  );
  const { name, maxPixels } = resolved;
  const bytes = typeof source === 'string' ? await readPhoto(source, resolved) : source;
  if (bytes.length === 0) throw new FoilbankError('FB_PHOTO_EMPTY', { photo: name });
  if (!isPhoto(bytes)) throw new FoilbankError('FB_PHOTO_NOT_AN_IMAGE', { photo: name });
  try {
    const { data, info } = await sharp(bytes, { limitInputPixels: maxPixels, failOn: 'truncated' })
      .autoOrient()
      .flatten({ background: '#ffffff' })
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    return { name, width: info.width, height: info.height, pixels: data };
  } catch (error) {
    throw (await tooLarge(bytes, resolved)) ?? damaged(name, error);
  }
}

async function readPhoto(path: string, { name, maxPixels }: PhotoOptions): Promise<Uint8Array> {
  let file: FileHandle | undefined;
  try {
    file = await open(path);
    const { size } = await file.stat();
    // Not even 16-bit RGBA without compression takes more than 8 bytes a pixel.
    const limit = maxPixels * 8 + 2 ** 20;
    if (size > limit)
      throw new FoilbankError('FB_PHOTO_TOO_LARGE', {
        photo: name,
        actual: `${size} bytes`,
        limit: `${limit} bytes`,
      });
    return await file.readFile();
  } catch (error) {
    if (error instanceof FoilbankError) throw error;
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new FoilbankError('FB_PHOTO_MISSING', { photo: name }, { cause: error });
    throw new FoilbankError('FB_FILE_UNREADABLE', { file: name, reason: reasonOf(error) }, { cause: error });
  } finally {
    await file?.close();
  }
}

/**
 * By the first bytes: the image library would also take SVG, PDF and other formats, which a service must not be made to
 * interpret.
 */
function isPhoto(bytes: Uint8Array): boolean {
  const text = String.fromCharCode(...bytes.subarray(0, 12));
  return (
    text.startsWith('\xff\xd8\xff') ||
    text.startsWith('\x89PNG\r\n\x1a\n') ||
    (text.startsWith('RIFF') && text.endsWith('WEBP')) ||
    /^ftyp(avif|avis|mif1|msf1)$/.test(text.slice(4, 12))
  );
}

/** Whether the pixel limit was what stopped the decoder; asked only after it did, so that good photos are opened once. */
async function tooLarge(bytes: Uint8Array, { name, maxPixels }: PhotoOptions) {
  const size = await sharp(bytes, { limitInputPixels: false })
    .metadata()
    .catch(() => undefined);
  if (!size || size.width * size.height <= maxPixels) return undefined;
  const mega = (pixels: number) => `${Number((pixels / 1e6).toPrecision(3))} megapixels`;
  return new FoilbankError('FB_PHOTO_TOO_LARGE', {
    photo: name,
    actual: mega(size.width * size.height),
    limit: mega(maxPixels),
  });
}

const damaged = (photo: string, error: unknown) =>
  new FoilbankError(
    'FB_PHOTO_DAMAGED',
    { photo, reason: reasonOf(error).split('\n')[0] ?? '' },
    { cause: error },
  );
