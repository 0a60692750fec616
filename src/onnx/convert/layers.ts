import type { TensorData } from '../tensor.js';
import type { GraphBuilder, Value } from './graph.js';
import type { Weight } from './weights.js';

/** Top, left, bottom, right. */
export type Padding = readonly [number, number, number, number];

/** TensorFlow's SAME padding of a 3×3 kernel at stride 1; at stride 2 on an even size it pads the end only. */
export const SAME: Padding = [1, 1, 1, 1];
export const SAME_STRIDE_2: Padding = [0, 0, 1, 1];
export const VALID: Padding = [0, 0, 0, 0];

export interface ConvolutionOptions {
  readonly stride: number;
  readonly padding: Padding;
  readonly groups?: number;
}

/** Convolution of NCHW values. `filters` are OIHW, `bias` has one number for each output channel. */
export function convolution(
  g: GraphBuilder,
  x: Value,
  filters: TensorData,
  bias: ArrayLike<number> | undefined,
  { stride, padding, groups = 1 }: ConvolutionOptions,
): Value {
  const [, , height, width] = filters.dims as [number, number, number, number];
  return g.node('Conv', [x, g.constant(filters), ...(bias ? [g.floats(bias)] : [])], {
    kernel_shape: [height, width],
    strides: [stride, stride],
    pads: padding,
    group: groups,
  });
}

/** HWIO → OIHW, or for a depthwise filter [h, w, C, 1] → [C, 1, h, w]. `scale` multiplies each output channel. */
export function filtersOf({ dims, data }: Weight, scale?: ArrayLike<number>, depthwise = false): TensorData {
  const [h, w, third, fourth] = dims as [number, number, number, number];
  const [inputs, outputs] = depthwise ? [fourth, third] : [third, fourth];
  const result = new Float32Array(data.length);
  let to = 0;
  for (let o = 0; o < outputs; o++)
    for (let i = 0; i < inputs; i++)
      for (let yx = 0; yx < h * w; yx++) {
        const from = depthwise ? yx * outputs + o : (yx * inputs + i) * outputs + o;
        result[to++] = data[from]! * (scale ? scale[o]! : 1);
      }
  return { type: 'float32', dims: [outputs, inputs, h, w], data: result };
}

export const relu = (g: GraphBuilder, x: Value): Value => g.node('Relu', [x]);

/** min(max(x, 0), 6) */
export const relu6 = (g: GraphBuilder, x: Value): Value => g.node('Clip', [x, g.scalar(0), g.scalar(6)]);

/** The mean that the recogniser and the landmark network subtract from RGB in 0..255 before dividing by 255. */
const MEAN_RGB = [122.782, 117.001, 104.298];

/** (x − mean) / 255 */
export function centred(g: GraphBuilder, x: Value): Value {
  return g.node('Div', [g.node('Sub', [x, g.floats(MEAN_RGB, [3, 1, 1])]), g.scalar(255)]);
}
