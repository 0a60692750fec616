import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import sharp, { type Sharp } from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { FoilbankError } from '../../../src/errors.js';
import { decodePhoto, type Photo } from '../../../src/faces/photo.js';
import { temporaryFolder } from '../../support/networks.js';

const [WIDTH, HEIGHT] = [48, 32];
const COLOURS = { red: [230, 30, 20], green: [40, 150, 70], blue: [20, 30, 230], yellow: [230, 220, 20] };
/** Four flat quarters, in colours that CMYK has too. Which way up a photo is shows in its corners. */
const quarters = Buffer.from(
  Array.from({ length: WIDTH * HEIGHT }, (_, i) => {
    const [right, lower] = [i % WIDTH >= WIDTH / 2, i >= (WIDTH * HEIGHT) / 2];
    return COLOURS[lower ? (right ? 'yellow' : 'blue') : right ? 'green' : 'red'];
  }).flat(),
);
const source = () => sharp(quarters, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } });
const pixel = ({ width, pixels }: Photo, x: number, y: number) => [
  ...pixels.subarray((y * width + x) * 3, (y * width + x) * 3 + 3),
];
const corners = (photo: Photo) =>
  [
    [4, 4],
    [photo.width - 5, 4],
    [4, photo.height - 5],
    [photo.width - 5, photo.height - 5],
  ].map(([x, y]) => {
    const seen = pixel(photo, x!, y!);
    const distance = (colour: readonly number[]) => Math.hypot(...colour.map((v, i) => v - seen[i]!));
    return Object.entries(COLOURS).sort(([, p], [, q]) => distance(p) - distance(q))[0]?.[0];
  });
const upright = Object.keys(COLOURS);

/** A PNG whose header says that it is huge and whose data is a few bytes. */
function bomb(width: number, height: number): Buffer {
  const chunk = (type: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const frame = Buffer.alloc(8);
    frame.writeUInt32BE(data.length, 0);
    return Buffer.concat([frame.subarray(0, 4), body, crc(body)]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.alloc(1000))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function crc(data: Buffer): Buffer {
  let value = 0xffffffff;
  for (const byte of data) {
    value ^= byte;
    for (let k = 0; k < 8; k++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  }
  const out = Buffer.alloc(4);
  out.writeUInt32BE((value ^ 0xffffffff) >>> 0);
  return out;
}

describe('decodePhoto', () => {
  it.each(['jpeg', 'png', 'webp', 'avif'] as const)('reads %s to 8-bit RGB', async (format) => {
    const photo = await decodePhoto(await source().toFormat(format).toBuffer());
    expect([photo.width, photo.height, photo.pixels.length]).toEqual([WIDTH, HEIGHT, WIDTH * HEIGHT * 3]);
    expect(corners(photo)).toEqual(upright);
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('turns a photo with EXIF orientation %i upright', async (orientation) => {
    // Stored as a camera held that way stores it, so that turning it as the tag says gives the upright picture.
    const stored = {
      1: source(),
      2: source().flop(),
      3: source().rotate(180),
      4: source().flip(),
      5: sharp(await source().rotate(90).png().toBuffer()).flop(),
      6: source().rotate(270),
      7: sharp(await source().rotate(90).png().toBuffer()).flip(),
      8: source().rotate(90),
    }[orientation] as Sharp;
    const jpeg = await stored.withMetadata({ orientation }).jpeg().toBuffer();
    const photo = await decodePhoto(jpeg);
    expect([photo.width, photo.height]).toEqual([WIDTH, HEIGHT]);
    expect(corners(photo)).toEqual(upright);
  });

  it('turns grey, CMYK, 16-bit and transparent pictures into RGB, transparency on white', async () => {
    const grey = await decodePhoto(await source().toColourspace('b-w').png().toBuffer());
    expect(grey.pixels.length).toBe(WIDTH * HEIGHT * 3);
    const [r, g, b] = pixel(grey, 4, 4);
    expect([r, r]).toEqual([g, b]);

    const cmyk = await source().toColourspace('cmyk').jpeg().toBuffer();
    expect((await sharp(cmyk).metadata()).space).toBe('cmyk');
    expect(corners(await decodePhoto(cmyk))).toEqual(upright);

    const deep = await source().toColourspace('rgb16').png().toBuffer();
    expect((await sharp(deep).metadata()).depth).toBe('ushort');
    expect(pixel(await decodePhoto(deep), 4, 4)).toEqual([230, 30, 20]);

    const clear = await source().ensureAlpha(0).png().toBuffer();
    expect(pixel(await decodePhoto(clear), 4, 4)).toEqual([255, 255, 255]);
  });
});

describe('decodePhoto refuses', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await temporaryFolder();
  });
  const file = async (name: string, content: string | Uint8Array) => {
    await writeFile(join(folder, name), content);
    return join(folder, name);
  };
  const codeOf = async (photo: string | Uint8Array, options = {}) =>
    decodePhoto(photo, options).then(
      () => 'none',
      (error: unknown) => (error instanceof FoilbankError ? error.code : `not coded: ${error}`),
    );

  it('a file that is not there, and a folder', async () => {
    expect(await codeOf(join(folder, 'absent.jpg'))).toBe('FB_PHOTO_MISSING');
    await mkdir(join(folder, 'album.jpg'));
    expect(await codeOf(join(folder, 'album.jpg'))).toBe('FB_FILE_UNREADABLE');
  });

  it('0 bytes', async () => {
    expect(await codeOf(await file('empty.jpg', ''))).toBe('FB_PHOTO_EMPTY');
    expect(await codeOf(new Uint8Array(0))).toBe('FB_PHOTO_EMPTY');
  });

  it('text, SVG, GIF and PDF, whatever they are called', async () => {
    const gif = await source().gif().toBuffer();
    const svg =
      '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>';
    for (const content of ['hello, this is text', svg, gif, '%PDF-1.7 …'])
      expect(await codeOf(await file('photo.jpg', content))).toBe('FB_PHOTO_NOT_AN_IMAGE');
  });

  it.each(['jpeg', 'png', 'webp', 'avif'] as const)('a truncated %s, wherever it is cut', async (format) => {
    const large = sharp({
      create: {
        width: 300,
        height: 300,
        channels: 3,
        background: '#808080',
        noise: { type: 'gaussian', mean: 128, sigma: 40 },
      },
    });
    const whole = await large.toFormat(format).toBuffer();
    expect(await codeOf(whole)).toBe('none');
    for (const share of [0.02, 0.3, 0.6, 0.9])
      expect(await codeOf(whole.subarray(0, Math.max(12, Math.floor(whole.length * share))))).toBe(
        'FB_PHOTO_DAMAGED',
      );
  });

  it('a picture above the pixel limit, before decoding it', async () => {
    const huge = await file('bomb.png', bomb(10_000, 10_000));
    const started = performance.now();
    await expect(decodePhoto(huge)).rejects.toMatchObject({
      code: 'FB_PHOTO_TOO_LARGE',
      message: expect.stringContaining('100 megapixels, at most 50 megapixels'),
    });
    expect(performance.now() - started).toBeLessThan(1000);
    const small = await source().png().toBuffer();
    expect(await codeOf(small, { maxPixels: WIDTH * HEIGHT - 1 })).toBe('FB_PHOTO_TOO_LARGE');
    expect(await codeOf(small, { maxPixels: WIDTH * HEIGHT })).toBe('none');
    expect(await codeOf(small, { maxPixels: 0 })).toBe('FB_OPTION_INVALID');
  });

  it('any bytes at all without an uncoded error', async () => {
    const whole = await source().jpeg().toBuffer();
    const damage = fc.record({
      at: fc.nat(whole.length - 1),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 20 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.uint8Array(), damage), async (input) => {
        const bytes = input instanceof Uint8Array ? input : Uint8Array.from(whole);
        if (!(input instanceof Uint8Array))
          bytes.set(input.bytes.subarray(0, whole.length - input.at), input.at);
        expect(await codeOf(bytes)).toMatch(/^(none|FB_PHOTO_\w+)$/);
      }),
      { numRuns: 200 },
    );
  });
});
