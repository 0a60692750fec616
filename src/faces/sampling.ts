import {
  type DetectorCard,
  float32,
  GraphBuilder,
  int64,
  type TensorData,
  type Tensors,
  type Value,
} from '../onnx/index.js';
import type { Box } from './geometry.js';
import type { Photo } from './photo.js';

/** What a card says about the pixels that its graph takes. */
export type ImageInput = DetectorCard['input'];

export const photoTensor = ({ width, height, pixels }: Photo): TensorData => ({
  type: 'uint8',
  dims: [height, width, 3],
  data: pixels,
});

/** RGB float32 [N, 3, h, w] in 0..255 → what the card's graph takes: (pixel − mean) · scale, channels and layout as it says. */
export function asCardWants(g: GraphBuilder, rgb: Value, input: ImageInput): Value {
  let x = rgb;
  if (input.colour === 'bgr') x = g.node('Gather', [x, g.ints([2, 1, 0])], { axis: 1 });
  if (input.mean.some((m) => m !== 0)) x = g.node('Sub', [x, g.floats(input.mean, [3, 1, 1])]);
  if (Array.isArray(input.scale)) x = g.node('Mul', [x, g.floats(input.scale, [3, 1, 1])]);
  else if (input.scale !== 1) x = g.node('Mul', [x, g.scalar(input.scale)]);
  return input.layout === 'NHWC' ? g.node('Transpose', [x], { perm: [0, 2, 3, 1] }) : x;
}

/** The shape of `count` samples in the card's layout. */
export const inputShape = <N extends number | string>({ layout, width, height }: ImageInput, count: N) =>
  layout === 'NCHW' ? ([count, 3, height, width] as const) : ([count, height, width, 3] as const);

/** Declares the photo and cuts a window of whole pixels out of it: uint8 [h, w, 3]. */
export function photoWindow(g: GraphBuilder): Value {
  const photo = g.input('photo', 'uint8', ['H', 'W', 3]);
  return g.node('Slice', [
    photo,
    g.input('starts', 'int64', [2]),
    g.input('ends', 'int64', [2]),
    g.ints([0, 1]),
  ]);
}

export const windowFeeds = ({ x, y, width, height }: Box): Tensors => ({
  starts: int64([y, x]),
  ends: int64([y + height, x + width]),
});

/**
 * A graph that fills a square network input from a square of a photo, bilinearly, without aligned corners or half-pixel centres
 * (sample i lies at i · side / size), zeros where the square leaves the window. `planSquare` makes its inputs.
 */
export function squareGraph(input: ImageInput): Uint8Array {
  const g = new GraphBuilder('square');
  // Always along the rows: they are whole pieces of memory, columns are not. A picture turned over and back is as it was.
  const pixels = g.node('Reshape', [photoWindow(g), g.ints([0, -1])]);
  const rows = turned(g, interpolated(g, pixels, 'row'));
  const byColumn = g.node('Reshape', [rows, g.ints([-1, 3 * input.height])]);
  const planes = turned(g, interpolated(g, byColumn, 'column'));
  const picture = g.node('Reshape', [planes, g.ints([1, 3, input.height, input.width])]);
  g.output('image', asCardWants(g, picture, input), 'float32', inputShape(input, 1));
  return g.build();
}

const turned = (g: GraphBuilder, matrix: Value): Value => g.node('Transpose', [matrix], { perm: [1, 0] });

/** Rows of a matrix between its rows: row before · its weight + row after · its weight. */
function interpolated(g: GraphBuilder, x: Value, name: string): Value {
  const terms = ['Before', 'After'].map((side) => {
    const rows = g.node('Gather', [x, g.input(name + side, 'int64', ['size'])], { axis: 0 });
    return g.node('Mul', [g.cast(rows, 'float32'), g.input(`${name}${side}Weight`, 'float32', ['size', 1])]);
  });
  return g.node('Add', terms);
}

/** A square in photo pixels that may reach beyond its window; outside the window lies black. */
export interface Square {
  /** Whole pixels inside the photo. */
  readonly window: Box;
  /** The square's corner relative to the window's, 0 or negative whole numbers where the window is padded. */
  readonly x: number;
  readonly y: number;
  readonly side: number;
}

/** The inputs of `squareGraph` for one square and a network input `size` pixels wide and high. */
export function planSquare(photo: Photo, { window, x, y, side }: Square, size: number): Tensors {
  return {
    photo: photoTensor(photo),
    ...windowFeeds(window),
    ...taps('row', window.height, y, side, size),
    ...taps('column', window.width, x, side, size),
  };
}

/** For each sample the pixels before and after it and their shares; a pixel outside the window has none. */
function taps(name: string, extent: number, origin: number, side: number, size: number): Tensors {
  const pixels = [new BigInt64Array(size), new BigInt64Array(size)] as const;
  const weights = [new Float32Array(size), new Float32Array(size)] as const;
  for (let i = 0; i < size; i++) {
    const position = (i * side) / size;
    const before = Math.floor(position);
    const share = position - before;
    for (const k of [0, 1] as const) {
      const pixel = Math.min(before + k, side - 1) + origin;
      if (pixel < 0 || pixel >= extent) continue;
      pixels[k][i] = BigInt(pixel);
      weights[k][i] = k === 0 ? 1 - share : share;
    }
  }
  const indices = (data: BigInt64Array) => ({ type: 'int64', dims: [size], data }) as const;
  return {
    [`${name}Before`]: indices(pixels[0]),
    [`${name}After`]: indices(pixels[1]),
    [`${name}BeforeWeight`]: float32(weights[0], [size, 1]),
    [`${name}AfterWeight`]: float32(weights[1], [size, 1]),
  };
}
