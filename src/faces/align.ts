import type { AlignTemplate } from '../onnx/index.js';
import { type Affine, invert, type Point } from './geometry.js';
import { centre, meanLandmarks, templateOf } from './templates.js';

/**
 * The similarity (rotation, one scale, translation; no reflection) that maps `from` onto `to` with the least sum of squared
 * distances: Umeyama 1991, which in two dimensions has this closed form.
 *
 * @returns undefined when all points of `from` are one point or any is not finite
 */
export function leastSquaresSimilarity(from: readonly Point[], to: readonly Point[]): Affine | undefined {
  const [f, t] = [centre(from), centre(to)];
  let spread = 0;
  let along = 0;
  let across = 0;
  for (const [i, p] of from.entries()) {
    const q = to[i]!;
    const [px, py, qx, qy] = [p.x - f.x, p.y - f.y, q.x - t.x, q.y - t.y];
    spread += px * px + py * py;
    along += px * qx + py * qy;
    across += px * qy - py * qx;
  }
  const [a, b] = [along / spread, across / spread];
  if (!(Number.isFinite(a) && Number.isFinite(b)) || (a === 0 && b === 0)) return undefined;
  return [a, -b, t.x - a * f.x + b * f.y, b, a, t.y - b * f.x - a * f.y];
}

/**
 * The map from photo pixels to chip pixels that aligns a face with the template.
 *
 * @param landmarks the 68 points of the face, in photo pixels
 * @returns undefined when the landmarks have no extent
 */
export function alignment(landmarks: readonly Point[], template: AlignTemplate): Affine | undefined {
  const { points, pointsOf } = templateOf(template);
  return leastSquaresSimilarity(pointsOf(landmarks), points);
}

/** The map from one template's chip to another's: where the mean face of the first lies on the second. */
export function betweenTemplates(from: AlignTemplate, to: AlignTemplate): Affine {
  if (from === to) return [1, 0, 0, 0, 1, 0];
  // The mean face is known on dlib's chip, so the map is fitted from there.
  if (from !== 'dlib68-150') return invert(betweenTemplates(to, from));
  return alignment(meanLandmarks(), to)!;
}
