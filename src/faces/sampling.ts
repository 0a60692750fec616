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
  const window = g.node('Reshape', [photoWindow(g), g.ints([0, -1])]);
  const rows = interpolated(g, window, 'row', 0, [2, 'size', 1]);
  const both = interpolated(g, g.node('Reshape', [rows, g.ints([0, -1, 3])]), 'column', 1, [2, 'size', 1]);
  const planes = g.node('Unsqueeze', [g.node('Transpose', [both], { perm: [2, 0, 1] }), g.ints([0])]);
  g.output('image', asCardWants(g, planes, input), 'float32', inputShape(input, 1));
  return g.build();
}

/** Along one axis: sample before · its weight + sample after · its weight. */
function interpolated(
  g: GraphBuilder,
  x: Value,
  axisName: string,
  axis: number,
  shape: readonly (number | string)[],
): Value {
  const taps = g.nodes('Split', [g.input(`${axisName}s`, 'int64', shape.slice(0, 2))], { axis: 0 }, 2);
  const weights = g.nodes('Split', [g.input(`${axisName}Weights`, 'float32', shape)], { axis: 0 }, 2);
  const terms = taps.map((tap, i) => {
    const samples = g.node('Gather', [x, g.node('Squeeze', [tap, g.ints([0])])], { axis });
    return g.node('Mul', [g.cast(samples, 'float32'), g.node('Squeeze', [weights[i]!, g.ints([0])])]);
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
export function planSquare(photo: Photo, square: Square, size: number): Tensors {
  const { window, x, y, side } = square;
  const rows = taps(window.height, y, side, size);
  const columns = taps(window.width, x, side, size);
  return {
    photo: photoTensor(photo),
    ...windowFeeds(window),
    rows: rows.indices,
    rowWeights: rows.weights,
    columns: columns.indices,
    columnWeights: columns.weights,
  };
}

function taps(extent: number, origin: number, side: number, size: number) {
  const indices = new BigInt64Array(2 * size);
  const weights = new Float32Array(2 * size);
  for (let i = 0; i < size; i++) {
    const position = (i * side) / size;
    const before = Math.floor(position);
    const after = Math.min(before + 1, side - 1);
    const share = position - before;
    for (const [k, sample, weight] of [
      [i, before + origin, 1 - share],
      [size + i, after + origin, share],
    ] as const) {
      const inside = sample >= 0 && sample < extent;
      indices[k] = BigInt(inside ? sample : 0);
      weights[k] = inside ? weight : 0;
    }
  }
  return {
    indices: { type: 'int64', dims: [2, size], data: indices } as const,
    weights: float32(weights, [2, size, 1]),
  };
}
