import { checkWhole } from '../checks.js';
import { FoilbankError } from '../errors.js';
import {
  type EmbedderCard,
  floatsOf,
  loadModel,
  type Model,
  type Network,
  type NetworkHost,
  type TensorData,
} from '../onnx/index.js';
import { UnitMatrix } from '../vectors/index.js';
import { inputShape } from './sampling.js';
import { templateOf } from './templates.js';

/** A face embedder: chips as its card wants them → embeddings of unit length. */
export class Embedder {
  private constructor(
    readonly card: EmbedderCard,
    /** Chips per run. What is left over runs one by one: two shapes and no more keep memory flat and bits the same. */
    readonly batch: number,
    private readonly network: Network,
  ) {}

  /**
   * @param options.batch 1..256, default 8: the weights are then read from memory once for eight chips
   * @throws FoilbankError of `loadModel`, FB_CARD_INVALID, FB_OPTION_INVALID
   */
  static async open(
    host: NetworkHost,
    model: Model<EmbedderCard>,
    { batch = 8 }: { readonly batch?: number } = {},
  ): Promise<Embedder> {
    const { card } = model;
    const { size } = templateOf(card.align.template);
    if (card.input.width !== size || card.input.height !== size)
      throw new FoilbankError('FB_CARD_INVALID', {
        card: card.name,
        field: 'align.template',
        reason: `${card.align.template} makes chips of ${size} × ${size}, input is ${card.input.width} × ${card.input.height}`,
      });
    checkWhole('batch', batch, 1, 256);
    return new Embedder(card, batch, await loadModel(host, model));
  }

  release(): Promise<void> {
    return this.network.release();
  }

  /** Time spent inside the network. */
  get spent(): Network['spent'] {
    return this.network.spent;
  }

  /**
   * The embeddings of chips float32 [N, …], any N, in one tensor or several. The same chips in the same order give the same bits.
   *
   * @param what named in errors
   * @throws FoilbankError FB_EMBEDDING_NOT_FINITE, FB_EMBEDDING_ZERO when the network gives no direction
   */
  async embed(chips: TensorData | readonly TensorData[], what = 'chip'): Promise<UnitMatrix> {
    return UnitMatrix.normalise(await this.raw(chips), this.card.output.dimension, what);
  }

  /** What the network itself gives, [N, d], not normalised. */
  async raw(chips: TensorData | readonly TensorData[]): Promise<Float32Array> {
    const { card, batch } = this;
    const { dimension } = card.output;
    const rows = ([chips].flat() as TensorData[]).flatMap(rowsOf);
    const whole = rows.length - (rows.length % batch);
    const starts = Array.from({ length: whole / batch + rows.length - whole }, (_, i) =>
      i * batch < whole ? i * batch : whole + i - whole / batch,
    );
    const embeddings = new Float32Array(rows.length * dimension);
    await Promise.all(
      starts.map(async (start) => {
        const group = rows.slice(start, start < whole ? start + batch : start + 1);
        embeddings.set(await this.run(group), start * dimension);
      }),
    );
    return embeddings;
  }

  private async run(rows: readonly Float32Array[]): Promise<Float32Array> {
    const { card, network } = this;
    const each = rows[0]!.length;
    const data = new Float32Array(rows.length * each);
    for (const [i, row] of rows.entries()) data.set(row, i * each);
    const feed = { type: 'float32', dims: inputShape(card.input, rows.length), data } as const;
    const result = await network.run({ [card.input.name]: feed }, { transfer: true });
    return floatsOf(result, card.output.name);
  }
}

/** One view a chip. */
function rowsOf({ type, dims, data }: TensorData): Float32Array[] {
  if (type !== 'float32') throw new TypeError(`chips are ${type}, not float32`);
  const each = data.length / dims[0]!;
  return Array.from({ length: dims[0]! }, (_, i) => data.subarray(i * each, (i + 1) * each) as Float32Array);
}
