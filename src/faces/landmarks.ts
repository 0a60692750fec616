import { FoilbankError } from '../errors.js';
import { floatsOf, type LandmarksCard, type Model, type NetworkHost } from '../onnx/index.js';
import { type Box, clipped, type Point } from './geometry.js';
import type { Photo } from './photo.js';
import { SquareNetwork } from './square-network.js';

const POINTS = 68;

/** Finds the 68 landmarks of a face (the iBUG order) with a network that gives x and y as shares of the square that it sees. */
export class LandmarkFinder {
  private constructor(private readonly network: SquareNetwork<LandmarksCard>) {}

  /** @throws FoilbankError of `loadModel`, FB_CARD_INVALID */
  static async open(host: NetworkHost, model: Model<LandmarksCard>): Promise<LandmarkFinder> {
    return new LandmarkFinder(await SquareNetwork.open(host, model));
  }

  /**
   * @param box of the face, in photo pixels
   * @returns 68 points in photo pixels
   * @throws FoilbankError FB_NO_FACE when the box lies outside the photo
   */
  async find(photo: Photo, box: Box): Promise<Point[]> {
    const window = clipped(box, photo.width, photo.height);
    if (window.width < 1 || window.height < 1) throw new FoilbankError('FB_NO_FACE', { photo: photo.name });
    const side = Math.max(window.width, window.height);
    const [x, y] = [-Math.floor((side - window.width) / 2), -Math.floor((side - window.height) / 2)];
    const result = await this.network.look(photo, { window, x, y, side });
    const shares = floatsOf(result, this.network.card.output);
    return Array.from({ length: POINTS }, (_, i) => ({
      x: window.x - (side - window.width) / 2 + shares[2 * i]! * side,
      y: window.y - (side - window.height) / 2 + shares[2 * i + 1]! * side,
    }));
  }
}
