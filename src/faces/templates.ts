import type { AlignTemplate } from '../onnx/index.js';
import type { Point } from './geometry.js';

/** Where certain points of a face lie on a chip. */
export interface Template {
  /** Width and height of the chip in pixels. */
  readonly size: number;
  /** Positions on the chip, in pixels. */
  readonly points: readonly Point[];
  /** The points of a face, given its 68 landmarks, that belong to `points`. */
  readonly pointsOf: (landmarks: readonly Point[]) => readonly Point[];
}

/**
 * The mean of landmarks 17 to 67 as published in dlib (`get_face_chip_details`), in units in which the unpadded face is 1 wide.
 */
const DLIB_MEAN_X = [
  0.000213256, 0.0752622, 0.18113, 0.29077, 0.393397, 0.586856, 0.689483, 0.799124, 0.904991, 0.98004,
  0.490127, 0.490127, 0.490127, 0.490127, 0.36688, 0.426036, 0.490127, 0.554217, 0.613373, 0.121737, 0.187122,
  0.265825, 0.334606, 0.260918, 0.182743, 0.645647, 0.714428, 0.793132, 0.858516, 0.79751, 0.719335, 0.254149,
  0.340985, 0.428858, 0.490127, 0.551395, 0.639268, 0.726104, 0.642159, 0.556721, 0.490127, 0.423532,
  0.338094, 0.290379, 0.428096, 0.490127, 0.552157, 0.689874, 0.553364, 0.490127, 0.42689,
];
const DLIB_MEAN_Y = [
  0.106454, 0.038915, 0.0187482, 0.0344891, 0.0773906, 0.0773906, 0.0344891, 0.0187482, 0.038915, 0.106454,
  0.203352, 0.307009, 0.409805, 0.515625, 0.587326, 0.609345, 0.628106, 0.609345, 0.587326, 0.216423,
  0.178758, 0.179852, 0.231733, 0.245099, 0.244077, 0.231733, 0.179852, 0.178758, 0.216423, 0.244077,
  0.245099, 0.780233, 0.745405, 0.727388, 0.742578, 0.727388, 0.745405, 0.780233, 0.864805, 0.902192,
  0.909281, 0.902192, 0.864805, 0.784792, 0.778746, 0.785343, 0.778746, 0.784792, 0.824182, 0.831803,
  0.824182,
];
const FIRST_OF_MEAN = 17;
/** As dlib does: no jaw, no eyebrows (17–26), no lower lip (55–59, 65–67), which move with the expression. */
const isRigid = (landmark: number) => landmark >= 27 && !inRange(landmark, 55, 59) && landmark < 65;
const inRange = (n: number, first: number, last: number) => n >= first && n <= last;

const DLIB_SIZE = 150;
const DLIB_PADDING = 0.25;

function dlib68(): Template {
  const used = Array.from({ length: 68 }, (_, i) => i).filter(isRigid);
  return {
    size: DLIB_SIZE,
    points: used.map(meanOnChip),
    pointsOf: (landmarks) => used.map((i) => landmarks[i]!),
  };
}

function meanOnChip(landmark: number): Point {
  const onChip = (mean: number) => ((DLIB_PADDING + mean) / (2 * DLIB_PADDING + 1)) * DLIB_SIZE;
  const i = landmark - FIRST_OF_MEAN;
  return { x: onChip(DLIB_MEAN_X[i] ?? Number.NaN), y: onChip(DLIB_MEAN_Y[i] ?? Number.NaN) };
}

/** The five points of the published ArcFace alignment at 112 px: eyes, tip of the nose, corners of the mouth. */
const ARCFACE_5: Template = {
  size: 112,
  points: [
    { x: 38.2946, y: 51.6963 },
    { x: 73.5318, y: 51.5014 },
    { x: 56.0252, y: 71.7366 },
    { x: 41.5493, y: 92.3655 },
    { x: 70.7299, y: 92.2041 },
  ],
  pointsOf: (landmarks) => [
    centre(landmarks.slice(36, 42)),
    centre(landmarks.slice(42, 48)),
    landmarks[30]!,
    landmarks[48]!,
    landmarks[54]!,
  ],
};

export function centre(points: readonly Point[]): Point {
  const sum = points.reduce((s, p) => ({ x: s.x + p.x, y: s.y + p.y }), { x: 0, y: 0 });
  return { x: sum.x / points.length, y: sum.y / points.length };
}

/** dlib's mean face on its own chip as 68 landmarks. Its jaw (0–16), of which no mean is published, lies at NaN. */
export const meanLandmarks = (): Point[] => Array.from({ length: 68 }, (_, i) => meanOnChip(i));

const TEMPLATES: Readonly<Record<AlignTemplate, Template>> = {
  'dlib68-150': dlib68(),
  'arcface5-112': ARCFACE_5,
};

export const templateOf = (name: AlignTemplate): Template => TEMPLATES[name];
