import {
  type DetectorCard,
  type EmbedderCard,
  floatsOf,
  holdAgainstGolden,
  type LandmarksCard,
  largestDifference,
  type Model,
  type NetworkHost,
} from '../onnx/index.js';
import { alignment } from './align.js';
import { PhotoChips } from './chip.js';
import { Embedder } from './embedder.js';
import { apply, type Point, similarity } from './geometry.js';
import type { Photo } from './photo.js';
import { SquareNetwork } from './square-network.js';
import { meanLandmarks } from './templates.js';

/** Width and height of the picture `pattern-1`. */
const SIZE = 256;

/**
 * The picture `pattern-1` that the golden check of a card looks at: a formula, so that nothing has to be shipped. A tinted oval with eyes
 * and mouth on a gradient; no two channels and no two sides are alike, so swapped colours, a wrong mean or a mirrored
 * or shifted chip all change what a network makes of it.
 */
function goldenPattern(): Photo {
  const pixels = new Uint8Array(SIZE * SIZE * 3);
  const spot = (x: number, y: number, cx: number, cy: number, rx: number, ry: number) =>
    1 / (1 + (((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2) ** 2);
  for (let y = 0; y < SIZE; y++)
    for (let x = 0; x < SIZE; x++) {
      const face = spot(x, y, 126, 132, 74, 98);
      const dark =
        spot(x, y, 97, 112, 15, 8) +
        spot(x, y, 157, 110, 14, 8) +
        spot(x, y, 128, 182, 28, 9) +
        0.5 * spot(x, y, 126, 148, 9, 14);
      const shade = face * (1 - 0.75 * Math.min(1, dark));
      pixels.set(
        [30 + 0.2 * x + 150 * shade, 60 + 0.15 * y + 95 * shade, 110 - 0.2 * x + 0.1 * y + 60 * shade],
        (y * SIZE + x) * 3,
      );
    }
  return { name: 'pattern-1', width: SIZE, height: SIZE, pixels };
}

/** Landmarks that go with the pattern: dlib's mean face, turned by 5 degrees, with its mouth widened, so that no template fits it. */
function goldenLandmarks(): Point[] {
  const place = similarity(1.35, (5 * Math.PI) / 180, 38, 20);
  const widened = ({ x, y }: Point, i: number) => ({ x: i < 48 ? x : 75 + 1.2 * (x - 75), y });
  return meanLandmarks().map((point, i) => apply(place, widened(point, i)));
}

type FaceModel = Model<DetectorCard | LandmarksCard | EmbedderCard>;

/**
 * What a network makes of `pattern-1`: detector and landmark network see the whole picture, an embedder the chip that its template
 * cuts out at the golden landmarks. Raw outputs by name, for the card of a network of one's own.
 *
 * @throws FoilbankError of `loadModel`, FB_CARD_INVALID
 */
export async function goldenOutputs(
  host: NetworkHost,
  model: FaceModel,
): Promise<Record<string, Float32Array>> {
  const photo = goldenPattern();
  const { card } = model;
  if (card.kind === 'embedder') {
    const embedder = await Embedder.open(host, { card, graph: model.graph });
    const chips = await PhotoChips.open(host, card.input);
    const chip = await chips.cut(photo, alignment(goldenLandmarks(), card.align.template)!);
    const raw = await embedder.raw(chip);
    await Promise.all([embedder.release(), chips.release()]);
    return { [card.output.name]: raw };
  }
  const network = await SquareNetwork.open(host, { card, graph: model.graph });
  const window = { x: 0, y: 0, width: SIZE, height: SIZE };
  const outputs = await network.look(photo, { window, x: 0, y: 0, side: SIZE });
  await network.release();
  const names = card.kind === 'detector' ? Object.values(card.outputs) : [card.output];
  return Object.fromEntries(names.map((name) => [name, floatsOf(outputs, name)]));
}

/** Holds a network against the golden outputs of its card. @throws FoilbankError FB_MODEL_GOLDEN_MISMATCH, those of `goldenOutputs` */
export async function checkGolden(host: NetworkHost, model: FaceModel): Promise<void> {
  const outputs = await goldenOutputs(host, model);
  const differences = Object.entries(model.card.golden.outputs).map(([output, expected]) =>
    largestDifference(outputs[output] ?? [], expected),
  );
  holdAgainstGolden(model.card, differences);
}
