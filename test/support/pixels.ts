import { type Affine, apply, type Box, invert } from '../../src/faces/geometry.js';
import type { Photo } from '../../src/faces/photo.js';
import { noise } from './tiny-models.js';

/** A photo of smooth noise: what was sampled where shows in every pixel. */
export function noisePhoto(width: number, height: number, seed: number): Photo {
  const values = noise(width * height * 3, seed, 127);
  return { name: 'noise', width, height, pixels: Uint8Array.from(values, (v) => Math.round(v + 128)) };
}

/** The value of one channel, 0 outside. */
type Plane = (x: number, y: number) => number;

export const plane =
  ({ width, height, pixels }: Photo, channel: number): Plane =>
  (x, y) =>
    x < 0 || y < 0 || x >= width || y >= height ? 0 : (pixels[(y * width + x) * 3 + channel] as number);

function bilinear(at: Plane, x: number, y: number): number {
  const [x0, y0] = [Math.floor(x), Math.floor(y)];
  const [fx, fy] = [x - x0, y - y0];
  const row = (dy: number) => at(x0, y0 + dy) * (1 - fx) + at(x0 + 1, y0 + dy) * fx;
  return row(0) * (1 - fy) + row(1) * fy;
}

/** The straightforward warp: one chip pixel after the other, [3, size, size]. `block` means are taken from the photo's corner `start`. */
export function referenceWarp(photo: Photo, toChip: Affine, size: number, block = 1, start = { x: 0, y: 0 }) {
  const toPhoto = invert(toChip);
  const shrunken = (channel: number): Plane => {
    const fine = plane(photo, channel);
    return (x, y) => {
      let sum = 0;
      for (let j = 0; j < block; j++)
        for (let i = 0; i < block; i++) sum += fine(start.x + x * block + i, start.y + y * block + j);
      return sum / block ** 2;
    };
  };
  return [0, 1, 2].flatMap((channel) => {
    const at = block === 1 ? plane(photo, channel) : shrunken(channel);
    return Array.from({ length: size * size }, (_, i) => {
      const p = apply(toPhoto, { x: i % size, y: Math.floor(i / size) });
      const inBlocks = (v: number, from: number) => (block === 1 ? v : (v - from + 0.5) / block - 0.5);
      return bilinear(at, inBlocks(p.x, start.x), inBlocks(p.y, start.y));
    });
  });
}

/** The straightforward resize: pads the window with zeros to the square, then samples at i · side / size, the last pixel repeated. */
export function referenceSquare(
  photo: Photo,
  square: { window: Box; x: number; y: number; side: number },
  size: number,
) {
  const { window, x, y, side } = square;
  return [0, 1, 2].flatMap((channel) => {
    const photoAt = plane(photo, channel);
    const padded: Plane = (u, v) => {
      const [wx, wy] = [Math.min(u, side - 1) + x, Math.min(v, side - 1) + y];
      const inside = wx >= 0 && wy >= 0 && wx < window.width && wy < window.height;
      return inside ? photoAt(window.x + wx, window.y + wy) : 0;
    };
    return Array.from({ length: size * size }, (_, i) =>
      bilinear(padded, ((i % size) * side) / size, (Math.floor(i / size) * side) / size),
    );
  });
}

/** The largest difference of two lists of one length. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  for (let i = 0; i < a.length; i++)
    largest = Math.max(largest, Math.abs((a[i] as number) - (b[i] as number)));
  return largest;
}
