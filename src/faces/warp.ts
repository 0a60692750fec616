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
  const count = (n: number) => Float32Array.from({ length: n }, (_, i) => i);
  const [alongX, alongY, origin] = g.nodes('Split', [grid], { axis: 1 }, 3) as [Value, Value, Value];
  // Pairs (x, y) lie side by side, which adding along rows and columns does slowly: a product with a matrix of three rows does the same.
  const across = g.node('Reshape', [
    g.node('Mul', [g.floats(count(width), [width, 1]), g.node('Reshape', [alongX, g.ints([1, 2])])]),
    g.ints([1, 2 * width]),
  ]);
  const pick = g.floats(
    Float32Array.from({ length: 4 * width }, (_, i) => (i % 2 === Math.floor(i / (2 * width)) ? 1 : 0)),
    [2, 2 * width],
  );
  const down = g.node('Add', [
    g.node('Mul', [g.floats(count(height), [height, 1]), g.node('Reshape', [alongY, g.ints([1, 2])])]),
    g.node('Reshape', [origin, g.ints([1, 2])]),
  ]);
  const ones = g.floats(new Float32Array(height).fill(1), [height, 1]);
  const positions = g.node('MatMul', [
    g.node('Concat', [down, ones], { axis: 1 }),
    g.node('Concat', [pick, across], { axis: 0 }),
  ]);
  return g.node('GridSample', [image, g.node('Reshape', [positions, g.ints([1, height, width, 2])])], {
    mode: 'bilinear',
    padding_mode: 'zeros',
    align_corners: 0,
  });
}
