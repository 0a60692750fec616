import {
  float32,
  type GeneratorCard,
  GraphBuilder,
  type InferencePool,
  type Network,
} from '../onnx/index.js';
import type { ImageBatch } from './generator.js';

/** The graph from a generator's own value range and channel order to interleaved 8-bit RGB. */
function pixelGraph({ image }: GeneratorCard): Uint8Array {
  const [low, high] = image.range;
  const g = new GraphBuilder('to-pixels');
  const images = g.input('images', 'float32', ['n', 3, image.height, image.width]);
  const rgb = image.colour === 'rgb' ? images : g.node('Gather', [images, g.ints([2, 1, 0])], { axis: 1 });
  const unit = g.node('Mul', [g.node('Sub', [rgb, g.scalar(low)]), g.scalar(255 / (high - low))]);
  const clipped = g.node('Clip', [g.node('Round', [unit]), g.scalar(0), g.scalar(255)]);
  const interleaved = g.node('Transpose', [clipped], { perm: [0, 2, 3, 1] });
  g.output('pixels', g.node('Cast', [interleaved], { to: 2 }), 'uint8', ['n', image.height, image.width, 3]);
  return g.build();
}

/** Turns generated images into pictures that people can look at. */
export class PixelConverter {
  private constructor(private readonly network: Network) {}

  static async open(pool: InferencePool, card: GeneratorCard): Promise<PixelConverter> {
    return new PixelConverter(await pool.load({ name: 'to-pixels', graph: pixelGraph(card) }));
  }

  /** @returns one interleaved 8-bit RGB buffer of height · width · 3 bytes per image */
  async convert({ images, count, width, height }: ImageBatch): Promise<Uint8Array[]> {
    const { pixels } = await this.network.run({ images: float32(images, [count, 3, height, width]) });
    if (pixels?.type !== 'uint8') throw new TypeError('to-pixels gives uint8');
    const size = width * height * 3;
    return Array.from({ length: count }, (_, i) => pixels.data.subarray(i * size, (i + 1) * size));
  }

  release(): Promise<void> {
    return this.network.release();
  }
}
