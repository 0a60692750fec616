import { FoilbankError } from '../errors.js';
import {
  floatsOf,
  type InferencePool,
  type LandmarksCard,
  loadModel,
  type Model,
  type Network,
} from '../onnx/index.js';
import { requireSquare } from './detect.js';
import { type Box, clipped, type Point } from './geometry.js';
import type { Photo } from './photo.js';
import { planSquare, squareGraph } from './sampling.js';

const POINTS = 68;

/** Finds the 68 landmarks of a face (the iBUG order) with a network that gives x and y as shares of the square that it sees. */
export class LandmarkFinder {
  private constructor(
    readonly card: LandmarksCard,
    private readonly square: Network,
    private readonly network: Network,
  ) {}

  /** @throws FoilbankError of `loadModel`, FB_CARD_INVALID */
  static async open(pool: InferencePool, model: Model<LandmarksCard>): Promise<LandmarkFinder> {
    requireSquare(model);
    const network = await loadModel(pool, model);
    const square = await pool.load({ name: 'landmarks-input', graph: squareGraph(model.card.input) });
    return new LandmarkFinder(model.card, square, network);
  }

  /**
   * @param box of the face, in photo pixels
   * @returns 68 points in photo pixels
   * @throws FoilbankError FB_NO_FACE when the box lies outside the photo
   */
  async find(photo: Photo, box: Box): Promise<Point[]> {
    const { card } = this;
    const window = clipped(box, photo.width, photo.height);
    if (window.width < 1 || window.height < 1) throw new FoilbankError('FB_NO_FACE', { photo: photo.name });
    const side = Math.max(window.width, window.height);
    const [x, y] = [-Math.floor((side - window.width) / 2), -Math.floor((side - window.height) / 2)];
    const { image } = await this.square.run(planSquare(photo, { window, x, y, side }, card.input.width));
    const result = await this.network.run({ [card.input.name]: image! }, { transfer: true });
    const shares = floatsOf(result, card.output);
    return Array.from({ length: POINTS }, (_, i) => ({
      x: window.x - (side - window.width) / 2 + shares[2 * i]! * side,
      y: window.y - (side - window.height) / 2 + shares[2 * i + 1]! * side,
    }));
  }
}
