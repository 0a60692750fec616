import {
  float32,
  GraphBuilder,
  type InferencePool,
  type Network,
  type TensorData,
  type Value,
} from '../onnx/index.js';
import { type Affine, invert } from './geometry.js';
import { asCardWants, type ImageInput, inputShape } from './sampling.js';
import { gridOf, pixelsPerSample, sampled, shrunk } from './warp.js';

/** Generated images as their card describes them. */
export interface ImageFormat {
  readonly width: number;
  readonly height: number;
  readonly colour: 'rgb' | 'bgr';
  /** The values that stand for black and for full brightness. */
  readonly range: readonly [number, number];
}

/**
 * Cuts aligned chips out of generated images whose faces all lie at one place: float32 [N, 3, height, width] → the embedder's input.
 * Bilinear, black outside; images finer than the chip by two or more are averaged in blocks first.
 */
export class ImageChips {
  private constructor(
    private readonly format: ImageFormat,
    private readonly network: Network,
  ) {}

  /** @param toChip from image pixels to chip pixels */
  static async open(
    pool: InferencePool,
    input: ImageInput,
    format: ImageFormat,
    toChip: Affine,
  ): Promise<ImageChips> {
    const g = new GraphBuilder('image-chips');
    const images = g.input('images', 'float32', ['N', 3, format.height, format.width]);
    const rgb = warped(g, asPixels(g, images, format), format, invert(toChip), input);
    g.output('chips', asCardWants(g, rgb, input), 'float32', inputShape(input, 'N'));
    return new ImageChips(format, await pool.load({ name: 'image-chips', graph: g.build() }));
  }

  release(): Promise<void> {
    return this.network.release();
  }

  /** @param images float32 [N, 3, height, width] in the format's range */
  async cut(images: Float32Array): Promise<TensorData> {
    const { width, height } = this.format;
    const count = images.length / (3 * width * height);
    const { chips } = await this.network.run({ images: float32(images, [count, 3, height, width]) });
    return chips!;
  }
}

/** Images in the format's range and channel order → RGB in 0..255, values outside cut off. */
export function asPixels(g: GraphBuilder, images: Value, { colour, range }: ImageFormat): Value {
  const [low, high] = range;
  const gain = 255 / (high - low);
  const rgb = colour === 'bgr' ? g.node('Gather', [images, g.ints([2, 1, 0])], { axis: 1 }) : images;
  const scaled = g.node('Add', [g.node('Mul', [rgb, g.scalar(gain)]), g.scalar(-low * gain)]);
  return g.node('Clip', [scaled, g.scalar(0), g.scalar(255)]);
}

function warped(
  g: GraphBuilder,
  pixels: Value,
  format: ImageFormat,
  toImage: Affine,
  chip: ImageInput,
): Value {
  const block = Math.max(1, Math.floor(pixelsPerSample(toImage)));
  const source =
    block === 1
      ? pixels
      : g.node('AveragePool', [pixels], { kernel_shape: [block, block], strides: [block, block] });
  const size = { width: Math.floor(format.width / block), height: Math.floor(format.height / block) };
  const map = shrunk(toImage, { x: 0, y: 0 }, block);
  const [a, b, tx, c, d, ty] = map;
  if (b === 0 && c === 0) {
    // Without a rotation the axes part, and two matrix products do what a gather per sample would.
    const rows = g.floats(interpolation(chip.height, d, ty, size.height), [chip.height, size.height]);
    const columns = g.floats(interpolation(chip.width, a, tx, size.width), [chip.width, size.width]);
    const across = g.node('MatMul', [source, g.node('Transpose', [columns], { perm: [1, 0] })]);
    return g.node('MatMul', [rows, across]);
  }
  // GridSample wants one grid an image; as channels of one image they share it.
  const flat = g.node('Reshape', [source, g.ints([1, -1, size.height, size.width])]);
  const chips = sampled(g, flat, g.constant(gridOf(map, size)), chip);
  return g.node('Reshape', [chips, g.ints([-1, 3, chip.height, chip.width])]);
}

/** The matrix [samples, extent] that interpolates linearly at step·i + start, 0 outside. */
function interpolation(samples: number, step: number, start: number, extent: number): Float32Array {
  const matrix = new Float32Array(samples * extent);
  for (let i = 0; i < samples; i++) {
    const position = step * i + start;
    const before = Math.floor(position);
    if (before >= 0 && before < extent) matrix[i * extent + before] = 1 - (position - before);
    if (before + 1 >= 0 && before + 1 < extent) matrix[i * extent + before + 1] = position - before;
  }
  return matrix;
}
