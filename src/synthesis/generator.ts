import { checkWhole } from '../checks.js';
import { FoilbankError } from '../errors.js';
import {
  float32,
  floatsOf,
  type GeneratorCard,
  type InferencePool,
  int64,
  loadModel,
  type Model,
  type Network,
  type Tensors,
} from '../onnx/index.js';
import { latents } from './latent.js';

export interface GeneratorOptions {
  /**
   * Images per run; a shorter batch is padded to it, so that memory stays flat and bits stay the same. 1..256. Default: 32 for
   * images of up to 128 × 128 pixels, fewer for larger ones: a function of the card, so that no setting changes the bits.
   */
  readonly batch: number;
}

/** Generated images: float32 [count, 3, height, width], channel order and value range as the generator's card says. */
export interface ImageBatch {
  readonly images: Float32Array;
  readonly count: number;
  readonly width: number;
  readonly height: number;
}

/** A StyleGAN, or any kin that its card describes: seeds in, images out. */
export class Generator {
  private constructor(
    readonly card: GeneratorCard,
    readonly batch: number,
    private readonly network: Network,
  ) {}

  /** @throws FoilbankError of `loadModel`, or FB_OPTION_INVALID */
  static async open(
    pool: InferencePool,
    model: Model<GeneratorCard>,
    options: Partial<GeneratorOptions> = {},
  ): Promise<Generator> {
    const { width, height } = model.card.image;
    const { batch } = {
      batch: Math.max(1, Math.min(32, Math.floor((32 * 128 * 128) / (width * height)))),
      ...options,
    };
    checkWhole('batch', batch, 1, 256);
    return new Generator(model.card, batch, await loadModel(pool, model));
  }

  release(): Promise<void> {
    return this.network.release();
  }

  /** Time spent inside the network. */
  get spent(): Network['spent'] {
    return this.network.spent;
  }

  /**
   * The images of at most `batch` seeds.
   *
   * @param seeds 1..batch whole numbers in 0..2^53 − 1
   * @param psi truncation: 0 is the average face, 1 no truncation; ignored where the card has no psi input
   * @throws FoilbankError FB_OPTION_INVALID, FB_INFERENCE_FAILED
   */
  async generate(seeds: ArrayLike<number>, psi: number = this.card.psi.default): Promise<ImageBatch> {
    return this.fromLatents(latents(seeds, this.card.zDim), seeds.length, psi);
  }

  /** The images of `count` latents [count, zDim]. */
  async fromLatents(z: Float32Array, count: number, psi: number): Promise<ImageBatch> {
    const { card, batch } = this;
    if (count < 1 || count > batch)
      throw new FoilbankError('FB_OPTION_INVALID', {
        option: 'seeds',
        value: `${count} of them`,
        expected: `1 to ${batch} seeds`,
      });
    if (!(psi >= card.psi.min && psi <= card.psi.max))
      throw new FoilbankError('FB_OPTION_INVALID', {
        option: 'psi',
        value: psi,
        expected: `from ${card.psi.min} to ${card.psi.max}`,
      });
    const padded = new Float32Array(batch * card.zDim);
    padded.set(z);
    // A row of zeros has no direction to normalise; the padding repeats the last latent instead.
    const last = padded.subarray((count - 1) * card.zDim, count * card.zDim);
    for (let row = count; row < batch; row++) padded.set(last, row * card.zDim);
    const outputs = await this.network.run(this.feeds(padded, psi), { outputs: [card.output] });
    const { width, height } = card.image;
    const images = floatsOf(outputs, card.output).subarray(0, count * 3 * width * height);
    return { images, count, width, height };
  }

  private feeds(z: Float32Array, psi: number): Tensors {
    const { card, batch } = this;
    const fixed = Object.entries(card.fixedInputs).map(([name, input]) => {
      const { values, perSample } = input;
      const dims = perSample ? [batch, values.length] : values.length === 1 ? [] : [values.length];
      const all = perSample ? Array.from({ length: batch }, () => values).flat() : values;
      return [
        name,
        input.type === 'int64' ? int64(all, dims) : float32(Float32Array.from(all), dims),
      ] as const;
    });
    return {
      ...Object.fromEntries(fixed),
      [card.inputs.z]: float32(z, [batch, card.zDim]),
      ...(card.inputs.psi ? { [card.inputs.psi]: float32(Float32Array.of(psi), []) } : {}),
    };
  }
}
