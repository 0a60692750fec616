import { float32, type GraphBuilder, type TensorData, type Value } from '../onnx/index.js';
import type { Affine, Point } from './geometry.js';

interface Size {
  readonly width: number;
  readonly height: number;
}

/** How many source pixels lie between two neighbouring samples of a similarity from samples to source. */
export const pixelsPerSample = (toSource: Affine): number => Math.hypot(toSource[0], toSource[3]);

/** A map to source pixels, changed to the means of `block` × `block` source pixels counted from `start`. */
export function shrunk([a, b, tx, c, d, ty]: Affine, start: Point, block: number): Affine {
  const shift = (t: number, from: number) => (t - from + 0.5) / block - 0.5;
  return [a / block, b / block, shift(tx, start.x), c / block, d / block, shift(ty, start.y)];
}

/** The `grid` of `sampled`: a map to pixels in GridSample's coordinates, in which an image reaches from -1 to 1. */
export function gridOf([a, b, tx, c, d, ty]: Affine, { width, height }: Size): TensorData {
  const [sx, sy] = [2 / width, 2 / height];
  const rows = [a * sx, c * sy, b * sx, d * sy, (tx + 0.5) * sx - 1, (ty + 0.5) * sy - 1];
  return float32(Float32Array.from(rows), [1, 3, 2]);
}

/**
 * Samples one image [1, 3, H, W] bilinearly, black outside it, at the positions that `grid` float32 [1, 3, 2] makes of sample (x, y):
 * x·row0 + y·row1 + row2.
 */
export function sampled(g: GraphBuilder, image: Value, grid: Value, { width, height }: Size): Value {
  const rows = g.nodes('Split', [g.node('Unsqueeze', [grid, g.ints([1])])], { axis: 2 }, 3);
  const [alongX, alongY, origin] = rows as [Value, Value, Value];
  const count = (n: number) => Float32Array.from({ length: n }, (_, i) => i);
  const down = g.node('Add', [g.node('Mul', [g.floats(count(height), [1, height, 1, 1]), alongY]), origin]);
  const across = g.node('Mul', [g.floats(count(width), [1, 1, width, 1]), alongX]);
  return g.node('GridSample', [image, g.node('Add', [across, down])], {
    mode: 'bilinear',
    padding_mode: 'zeros',
    align_corners: 0,
  });
}
