import {
  type DetectorCard,
  float32,
  floatsOf,
  GraphBuilder,
  type InferencePool,
  loadModel,
  type Model,
  type Network,
  type Value,
} from '../onnx/index.js';
import { asPixels, type ImageFormat } from './image-chips.js';
import { asCardWants, type ImageInput, inputShape } from './sampling.js';
import { requireSquare } from './square-network.js';

/** How images of faces are laid out for the detector. */
export interface Framing {
  /** Images in a row and in a column of one mosaic. */
  readonly tiles: number;
  /** Width of the border around each image, as a share of the image. */
  readonly border: number;
  /** What the border shows: black, or the image's outermost pixels continued. */
  readonly fill: 'black' | 'edge';
}

/**
 * Of 576 real photos cropped to the face 99.5 % score 0.5 or more in this framing, as many as in any other that does not also take pieces
 * for faces, and it is the cheapest of those; of the same photos cut into sixteen shuffled pieces 0.3 %. One image a pass finds 25 % without a
 * border and 71 % with a quarter, and costs thirty times as much. `bench/framings.ts` prints the table: what decides is
 * the size of a face beside the detector's anchors, and 60 to 70 of its pixels suit them.
 */
export const FRAMING: Framing = Object.freeze({ tiles: 6, border: 0.15, fill: 'edge' });

/**
 * Detector scores of images that hold one face each, such as generated ones: a mosaic of them is looked at in one pass, which costs a
 * fraction of a pass per image.
 */
export class FaceScorer {
  private constructor(
    private readonly card: DetectorCard,
    private readonly format: ImageFormat,
    private readonly framing: Framing,
    private readonly mosaic: Network,
    private readonly detector: Network,
  ) {}

  /** @throws FoilbankError of `loadModel`, FB_CARD_INVALID */
  static async open(
    pool: InferencePool,
    model: Model<DetectorCard>,
    format: ImageFormat,
    framing: Framing = FRAMING,
  ): Promise<FaceScorer> {
    requireSquare(model);
    const graph = mosaicGraph(model.card.input, format, framing);
    const [mosaic, detector] = await Promise.all([
      pool.load({ name: 'mosaic', graph }),
      loadModel(pool, model),
    ]);
    return new FaceScorer(model.card, format, framing, mosaic, detector);
  }

  /** Time spent inside the networks. */
  get spent(): Network['spent'] {
    const [a, b] = [this.mosaic.spent, this.detector.spent];
    return { milliseconds: a.milliseconds + b.milliseconds, runs: a.runs + b.runs };
  }

  async release(): Promise<void> {
    await Promise.all([this.mosaic.release(), this.detector.release()]);
  }

  /**
   * The score of the surest face in each image, in 0..1.
   *
   * @param images float32 [N, 3, height, width] in the format's range, any N; the last mosaic is filled up with black
   */
  async score(images: Float32Array): Promise<Float32Array> {
    const { width, height } = this.format;
    const each = 3 * width * height;
    const perPass = this.framing.tiles ** 2;
    const passes = Array.from({ length: Math.ceil(images.length / each / perPass) }, (_, pass) => {
      const tiles = new Float32Array(perPass * each).fill(this.format.range[0]);
      tiles.set(images.subarray(pass * perPass * each, (pass + 1) * perPass * each));
      return this.pass(tiles);
    });
    const scores = (await Promise.all(passes)).flatMap((pass) => [...pass]);
    return Float32Array.from(scores.slice(0, images.length / each));
  }

  private async pass(tiles: Float32Array): Promise<Float32Array> {
    const { card, format, framing } = this;
    const dims = [framing.tiles ** 2, 3, format.height, format.width];
    const { image } = await this.mosaic.run({ images: float32(tiles, dims) }, { transfer: true });
    const result = await this.detector.run({ [card.input.name]: image! }, { transfer: true });
    return bestOfTiles(
      floatsOf(result, card.outputs.boxes),
      floatsOf(result, card.outputs.scores),
      framing.tiles,
      tileSide(card.input, framing) / card.input.width,
    );
  }
}

const tileSide = (input: ImageInput, { tiles }: Framing): number => Math.floor(input.width / tiles);

/** Images → one square of tiles for the detector. */
function mosaicGraph(input: ImageInput, format: ImageFormat, framing: Framing): Uint8Array {
  const { tiles, border, fill } = framing;
  const side = tileSide(input, framing);
  const inner = Math.round(side / (1 + 2 * border));
  const before = Math.floor((side - inner) / 2);
  const after = side - inner - before;
  const rest = input.width - side * tiles;
  const g = new GraphBuilder('mosaic');
  const images = g.input('images', 'float32', [tiles ** 2, 3, format.height, format.width]);
  const resized = g.node(
    'Resize',
    [asPixels(g, images, format), '', '', g.ints([tiles ** 2, 3, inner, inner])],
    { mode: 'linear', coordinate_transformation_mode: 'half_pixel' },
  );
  const framed = pad(g, resized, [before, before, after, after], fill === 'edge' ? 'edge' : 'constant');
  const grid = g.node('Reshape', [framed, g.ints([tiles, tiles, 3, side, side])]);
  const rows = g.node('Transpose', [grid], { perm: [2, 0, 3, 1, 4] });
  const mosaic = g.node('Reshape', [rows, g.ints([1, 3, side * tiles, side * tiles])]);
  const square = pad(g, mosaic, [0, 0, rest, rest], 'constant');
  g.output('image', asCardWants(g, square, input), 'float32', inputShape(input, 1));
  return g.build();
}

/** Pads height and width: top, left, bottom, right. */
function pad(
  g: GraphBuilder,
  x: Value,
  [top, left, bottom, right]: readonly number[],
  mode: 'constant' | 'edge',
): Value {
  return g.node('Pad', [x, g.ints([0, 0, top!, left!, 0, 0, bottom!, right!])], { mode });
}

/** The best score among the boxes whose centre lies in each tile, row by row; `share` is a tile's share of the square. */
function bestOfTiles(boxes: Float32Array, scores: Float32Array, tiles: number, share: number): Float32Array {
  const best = new Float32Array(tiles ** 2);
  for (const [i, score] of scores.entries()) {
    const row = Math.floor((boxes[4 * i]! + boxes[4 * i + 2]!) / 2 / share);
    const column = Math.floor((boxes[4 * i + 1]! + boxes[4 * i + 3]!) / 2 / share);
    if (row < 0 || column < 0 || row >= tiles || column >= tiles) continue;
    const tile = row * tiles + column;
    if (score > best[tile]!) best[tile] = score;
  }
  return best;
}
