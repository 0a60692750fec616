import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PhotoChips } from '../../../src/faces/chip.js';
import { similarity } from '../../../src/faces/geometry.js';
import { ImageChips } from '../../../src/faces/image-chips.js';
import { type ImageInput, planSquare, squareGraph } from '../../../src/faces/sampling.js';
import { floatsOf, InferencePool } from '../../../src/onnx/index.js';
import {
  largestDifference,
  noisePhoto,
  plane,
  referenceSquare,
  referenceWarp,
} from '../../support/pixels.js';

const SIZE = 24;
const rgb: ImageInput = {
  name: 'x',
  layout: 'NCHW',
  width: SIZE,
  height: SIZE,
  colour: 'rgb',
  mean: [0, 0, 0],
  scale: 1,
};
let pool: InferencePool;
beforeAll(() => {
  pool = new InferencePool({ threads: 1 });
});
afterAll(() => pool.close());

const extent = fc.integer({ min: 3, max: 60 });

describe('squares for detector and landmarks', () => {
  it('equal pad-with-zeros-then-resize of any window of any photo', async () => {
    const network = await pool.load({ name: 'square', graph: squareGraph(rgb) });
    await fc.assert(
      fc.asyncProperty(
        extent,
        extent,
        fc.nat(),
        fc.integer({ min: 0, max: 9 }),
        async (w, h, seed, border) => {
          const photo = noisePhoto(w, h, seed);
          const [wx, wy] = [seed % Math.ceil(w / 2), seed % Math.ceil(h / 2)];
          const window = { x: wx, y: wy, width: w - wx, height: h - wy };
          const side = Math.max(window.width, window.height) + 2 * border;
          const square = { window, x: -border, y: -Math.floor((side - window.height) / 2), side };
          const result = floatsOf(await network.run(planSquare(photo, square, SIZE)), 'image');
          expect(largestDifference(result, referenceSquare(photo, square, SIZE))).toBeLessThan(1e-3);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('have the channels, mean, scale and layout of the card', async () => {
    const photo = noisePhoto(SIZE, SIZE, 5);
    const input: ImageInput = { ...rgb, layout: 'NHWC', colour: 'bgr', mean: [1, 2, 3], scale: [2, 3, 4] };
    const network = await pool.load({ name: 'square', graph: squareGraph(input) });
    const square = { window: { x: 0, y: 0, width: SIZE, height: SIZE }, x: 0, y: 0, side: SIZE };
    const result = await network.run(planSquare(photo, square, SIZE));
    expect(result.image?.dims).toEqual([1, SIZE, SIZE, 3]);
    const [blue, green, red] = floatsOf(result, 'image');
    expect([blue, green, red]).toEqual([
      (plane(photo, 2)(0, 0) - 1) * 2,
      (plane(photo, 1)(0, 0) - 2) * 3,
      (plane(photo, 0)(0, 0) - 3) * 4,
    ]);
  });
});

describe('chips of photos', () => {
  it('equal a warp pixel by pixel, whatever the place, turn and scale, black outside the photo', async () => {
    const chips = await PhotoChips.open(pool, rgb);
    const angle = fc.double({ min: -3, max: 3, noNaN: true });
    const scale = fc.double({ min: 0.51, max: 4, noNaN: true });
    const shift = fc.double({ min: -30, max: 30, noNaN: true });
    await fc.assert(
      fc.asyncProperty(extent, extent, fc.nat(), angle, scale, shift, async (w, h, seed, a, s, t) => {
        const photo = noisePhoto(w, h, seed);
        const toChip = similarity(s, a, t, -t / 2);
        const chip = await chips.cut(photo, toChip);
        expect(chip.dims).toEqual([1, 3, SIZE, SIZE]);
        const difference = largestDifference(chip.data as Float32Array, referenceWarp(photo, toChip, SIZE));
        expect(difference).toBeLessThan(0.02);
      }),
      { numRuns: 60 },
    );
  });

  it('of a much larger face are sampled from means of blocks, not from single pixels', async () => {
    const chips = await PhotoChips.open(pool, rgb);
    const photo = noisePhoto(200, 200, 3);
    // 5.2 photo pixels to a chip pixel: blocks of 5, counted from the window's corner, one block before the first sample.
    const toChip = similarity(1 / 5.2, 0, -8, -6);
    const chip = (await chips.cut(photo, toChip)).data as Float32Array;
    const start = { x: Math.floor(8 * 5.2) - 5, y: Math.floor(6 * 5.2) - 5 };
    expect(largestDifference(chip, referenceWarp(photo, toChip, SIZE, 5, start))).toBeLessThan(0.02);
    const spread = (values: ArrayLike<number>) => {
      const list = Array.from(values);
      const mean = list.reduce((s, v) => s + v, 0) / list.length;
      return Math.sqrt(list.reduce((s, v) => s + (v - mean) ** 2, 0) / list.length);
    };
    expect(spread(chip)).toBeLessThan(spread(referenceWarp(photo, toChip, SIZE)) / 2);
  });

  it('of a face that lies wholly outside the photo are black', async () => {
    const chips = await PhotoChips.open(pool, rgb);
    const chip = await chips.cut(noisePhoto(10, 10, 1), similarity(1, 0, 500, 500));
    expect(Math.max(...(chip.data as Float32Array))).toBe(0);
  });
});

describe('chips of generated images', () => {
  const format = { width: 40, height: 40, colour: 'rgb', range: [-1, 1] } as const;
  const photos = [noisePhoto(40, 40, 1), noisePhoto(40, 40, 2)];
  const images = Float32Array.from(
    photos.flatMap((photo) =>
      [0, 1, 2].flatMap((c) =>
        Array.from({ length: 1600 }, (_, i) => plane(photo, c)(i % 40, Math.floor(i / 40)) / 127.5 - 1),
      ),
    ),
  );

  it.each([
    ['without a turn (two matrix products)', similarity(0.9, 0, -3.5, 2.25)],
    ['with a turn (sampled one by one)', similarity(1.3, 0.2, -9, 1)],
  ])('equal a warp pixel by pixel %s', async (_, toChip) => {
    const chips = await ImageChips.open(pool, rgb, format, toChip);
    const cut = await chips.cut(images);
    expect(cut.dims).toEqual([2, 3, SIZE, SIZE]);
    const expected = photos.flatMap((photo) => referenceWarp(photo, toChip, SIZE));
    expect(largestDifference(cut.data as Float32Array, expected)).toBeLessThan(0.02);
  });

  it('of large images are sampled from means of blocks', async () => {
    const toChip = similarity(0.3, 0, 1, 2);
    const chips = await ImageChips.open(pool, rgb, format, toChip);
    const expected = photos.flatMap((photo) => referenceWarp(photo, toChip, SIZE, 3));
    // 40 is no multiple of 3: the last column and row belong to no whole block, so only what lies before them is compared.
    const inside = (_: number, i: number) => i % SIZE < 12 && Math.floor(i / SIZE) % SIZE < 12;
    const cut = Array.from((await chips.cut(images)).data as Float32Array);
    expect(largestDifference(cut.filter(inside), expected.filter(inside))).toBeLessThan(0.02);
  });

  it('understand BGR and other ranges, and cut off what is out of range', async () => {
    const bgr = { width: 24, height: 24, colour: 'bgr', range: [0, 1] } as const;
    const chips = await ImageChips.open(pool, rgb, bgr, [1, 0, 0, 0, 1, 0]);
    const image = new Float32Array(3 * 576);
    image.fill(0.2, 0, 576).fill(0.4, 576, 1152).fill(1.7, 1152);
    const { data } = await chips.cut(image);
    expect([data[0], data[576], data[1152]]).toEqual([255, Math.fround(102), Math.fround(51)]);
  });
});
