import { FoilbankError } from '../errors.js';
import {
  type EmbedderCard,
  floatsOf,
  type InferencePool,
  loadModel,
  type Model,
  type Network,
  type TensorData,
} from '../onnx/index.js';
import { UnitMatrix } from '../vectors/index.js';
import { inputShape } from './sampling.js';
import { templateOf } from './templates.js';

/** A face embedder: chips as its card wants them → embeddings of unit length. */
export class Embedder {
  private constructor(
    readonly card: EmbedderCard,
    /** Chips per run. A shorter batch is padded with black to it: one shape keeps memory flat and bits the same. */
    readonly batch: number,
    private readonly network: Network,
  ) {}

  /**
   * @param options.batch 1..256, default 1: on one thread a batch is no faster than its chips one by one
   * @throws FoilbankError of `loadModel`, FB_CARD_INVALID, FB_OPTION_INVALID
   */
  static async open(
    pool: InferencePool,
    model: Model<EmbedderCard>,
    { batch = 1 }: { readonly batch?: number } = {},
  ): Promise<Embedder> {
    const { card } = model;
    const { size } = templateOf(card.align.template);
    if (card.input.width !== size || card.input.height !== size)
      throw new FoilbankError('FB_CARD_INVALID', {
        card: card.name,
        field: 'align.template',
        reason: `${card.align.template} makes chips of ${size} × ${size}, input is ${card.input.width} × ${card.input.height}`,
      });
    if (!Number.isInteger(batch) || batch < 1 || batch > 256)
      throw new FoilbankError('FB_OPTION_INVALID', {
        option: 'batch',
        value: batch,
        expected: 'a whole number from 1 to 256',
      });
    return new Embedder(card, batch, await loadModel(pool, model));
  }

  release(): Promise<void> {
    return this.network.release();
  }

  /** Time spent inside the network. */
  get spent(): Network['spent'] {
    return this.network.spent;
  }

  /**
   * The embeddings of chips float32 [N, …], any N. The chips' memory may be given away.
   *
   * @param what named in errors
   * @throws FoilbankError FB_EMBEDDING_NOT_FINITE, FB_EMBEDDING_ZERO when the network gives no direction
   */
  async embed(chips: TensorData, what = 'chip'): Promise<UnitMatrix> {
    const { output } = this.card;
    return UnitMatrix.normalise(await this.raw(chips), output.dimension, what);
  }

  /** What the network itself gives, [N, d], not normalised. */
  async raw(chips: TensorData): Promise<Float32Array> {
    const { card, batch, network } = this;
    if (chips.type !== 'float32') throw new TypeError(`chips are ${chips.type}, not float32`);
    const count = chips.dims[0]!;
    const each = chips.data.length / count;
    const run = async (data: Float32Array): Promise<Float32Array> => {
      const feed = { type: 'float32', dims: inputShape(card.input, batch), data } as const;
      const result = await network.run({ [card.input.name]: feed }, { transfer: true });
      return floatsOf(result, card.output.name);
    };
    if (count === batch) return run(chips.data);
    const parts = Array.from({ length: Math.ceil(count / batch) }, (_, i) => {
      const data = new Float32Array(batch * each);
      data.set(chips.data.subarray(i * batch * each, (i + 1) * batch * each));
      return run(data);
    });
    const embeddings = new Float32Array(parts.length * batch * card.output.dimension);
    for (const [i, part] of (await Promise.all(parts)).entries())
      embeddings.set(part, i * batch * card.output.dimension);
    return embeddings.subarray(0, count * card.output.dimension);
  }
}
