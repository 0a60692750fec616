import { FoilbankError } from '../errors.js';
import {
  type DetectorCard,
  type LandmarksCard,
  loadModel,
  type Model,
  type Network,
  type NetworkHost,
  type Tensors,
} from '../onnx/index.js';
import type { Photo } from './photo.js';
import { planSquare, type Square, squareGraph } from './sampling.js';

/** A network that looks at a square of a photo: detector or landmark network. */
export class SquareNetwork<C extends DetectorCard | LandmarksCard> {
  private constructor(
    readonly card: C,
    private readonly square: Network,
    private readonly network: Network,
  ) {}

  /** @throws FoilbankError of `loadModel`, FB_CARD_INVALID */
  static async open<C extends DetectorCard | LandmarksCard>(
    host: NetworkHost,
    model: Model<C>,
  ): Promise<SquareNetwork<C>> {
    requireSquare(model);
    const { name, input } = model.card;
    const [network, square] = await Promise.all([
      loadModel(host, model),
      host.load({ name: `${name}-input`, graph: squareGraph(input) }),
    ]);
    return new SquareNetwork(model.card, square, network);
  }

  async release(): Promise<void> {
    await Promise.all([this.square.release(), this.network.release()]);
  }

  /** What the network makes of the square: its outputs by name, for one sample. */
  async look(photo: Photo, square: Square): Promise<Tensors> {
    const { name, width } = this.card.input;
    const { image } = await this.square.run(planSquare(photo, square, width));
    return this.network.run({ [name]: image! }, { transfer: true });
  }
}

/** Photos are padded to squares, so the networks that look at them must want squares. @throws FoilbankError FB_CARD_INVALID */
export function requireSquare({ card }: Model<DetectorCard | LandmarksCard>): void {
  const { width, height } = card.input;
  if (width !== height)
    throw new FoilbankError('FB_CARD_INVALID', {
      card: card.name,
      field: 'input.height',
      reason: `is ${height} where width is ${width}; photos are padded to squares`,
    });
}
