import { type DetectorCard, floatsOf, type Model, type NetworkHost } from '../onnx/index.js';
import type { Box } from './geometry.js';
import type { Photo } from './photo.js';
import type { Square } from './sampling.js';
import { SquareNetwork } from './square-network.js';

/** A face found in a photo. */
export interface Detection {
  /** In photo pixels; may reach beyond the photo. */
  readonly box: Box;
  /** The detector's confidence in 0..1. */
  readonly score: number;
}

/** Boxes that share more than this part of their union are one face. */
const MAX_OVERLAP = 0.5;
/**
 * Borders of further looks, as shares of the longer side: the detector misses faces that fill the picture. Of real crops without
 * a border it finds 25 %, with these 71 and 94 % (bench/framings.ts); wider ones begin to find faces where none are.
 */
const BORDERS = [0.25, 0.5];

/** Finds faces with an SSD-type network: `boxes` [1, anchors, 4] as shares (y, x, y, x) of the padded square, `scores` [1, anchors]. */
export class FaceDetector {
  private constructor(private readonly network: SquareNetwork<DetectorCard>) {}

  /** @throws FoilbankError of `loadModel`, FB_CARD_INVALID */
  static async open(host: NetworkHost, model: Model<DetectorCard>): Promise<FaceDetector> {
    return new FaceDetector(await SquareNetwork.open(host, model));
  }

  /**
   * The faces of a photo, best score first. When there is none the photo is looked at again with a border around it, then a wider one.
   *
   * @param minScore 0..1
   */
  async detect(photo: Photo, minScore = 0.5): Promise<Detection[]> {
    let found = await this.look(photo, 0, minScore);
    for (const border of BORDERS) {
      if (found.length > 0) break;
      found = await this.look(photo, border, minScore);
    }
    return found;
  }

  private async look(photo: Photo, border: number, minScore: number): Promise<Detection[]> {
    const { input, outputs } = this.network.card;
    const square = paddedSquare(photo, border);
    const result = await this.network.look(photo, square);
    const [boxes, scores] = [floatsOf(result, outputs.boxes), floatsOf(result, outputs.scores)];
    const faces: Detection[] = [];
    for (const [i, score] of scores.entries())
      if (score > minScore)
        faces.push({ score, box: boxOf(boxes.subarray(i * 4, i * 4 + 4), photo, square, input.width) });
    return withoutOverlaps(faces);
  }
}

/** A square around the photo: its corner is the photo's, so what is added lies to the right or below; a border moves it out. */
function paddedSquare({ width, height }: Photo, border: number): Square {
  const longer = Math.max(width, height);
  const margin = Math.round(border * longer);
  return { window: { x: 0, y: 0, width, height }, x: -margin, y: -margin, side: longer + 2 * margin };
}

/** Shares of the square → photo pixels. The photo's size inside the square was rounded to whole pixels, which this corrects. */
function boxOf([y0, x0, y1, x1]: Float32Array, photo: Photo, square: Square, size: number): Box {
  const unit = (extent: number) => (size / Math.round((extent * size) / square.side)) * extent;
  const [unitX, unitY] = [unit(photo.width), unit(photo.height)];
  const inside = (share: number | undefined) => Math.min(1, Math.max(0, share!));
  const [left, top] = [inside(x0) * unitX, inside(y0) * unitY];
  return {
    x: left + square.x,
    y: top + square.y,
    width: inside(x1) * unitX - left,
    height: inside(y1) * unitY - top,
  };
}

/** Non-maximum suppression. */
function withoutOverlaps(faces: readonly Detection[]): Detection[] {
  const kept: Detection[] = [];
  for (const face of [...faces].sort((a, b) => b.score - a.score))
    if (kept.every((k) => overlap(k.box, face.box) <= MAX_OVERLAP)) kept.push(face);
  return kept;
}

/** Intersection over union. */
function overlap(a: Box, b: Box): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  if (width <= 0 || height <= 0) return 0;
  const shared = width * height;
  return shared / (a.width * a.height + b.width * b.height - shared);
}
