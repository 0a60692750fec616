import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/config.js';
import {
  type Box,
  checkGolden,
  decodePhoto,
  Embedder,
  FaceDetector,
  LandmarkFinder,
  type Photo,
} from '../../src/faces/index.js';
import { planSquare, squareGraph } from '../../src/faces/sampling.js';
import { findModel, InferencePool, type Network } from '../../src/onnx/index.js';
import { shippedFolders } from '../support/networks.js';
import { largestDifference } from '../support/pixels.js';

/** What face-api itself computed for the photos that its package ships. */
interface Golden {
  readonly images: readonly {
    readonly input: string;
    readonly wholeImageDescriptor: readonly number[];
    readonly faces: readonly {
      readonly faceapi: {
        readonly score: number;
        readonly box: readonly [number, number, number, number];
        readonly landmarksPx: readonly (readonly [number, number])[];
        readonly dlibRect: readonly [number, number, number, number];
        readonly descriptor: readonly number[];
      };
    }[];
  }[];
}

const shared = process.env.FOILBANK_SHARED ?? join(packageRoot(), '..', 'shared');
const file = join(shared, 'golden', 'face-api-samples.json');
const here = existsSync(file);
const golden: Golden = here ? JSON.parse(readFileSync(file, 'utf8')) : { images: [] };
const packageFolder = dirname(createRequire(import.meta.url).resolve('@vladmandic/face-api/package.json'));

let pool: InferencePool;
beforeAll(() => {
  pool = new InferencePool();
});
afterAll(() => pool.close());

describe('the shipped networks', () => {
  it.each(['detector', 'landmarks', 'embedder'] as const)(
    'pass the golden check of their cards: %s',
    async (kind) => {
      const name = kind === 'embedder' ? 'recogniser' : kind;
      await checkGolden(pool, await findModel(shippedFolders(), name, kind));
    },
  );

  it.each([
    ['swapped colours', { input: { colour: 'bgr' } }],
    ['a wrong mean', { input: { mean: [5, 5, 5] } }],
    ['a wrong scale', { input: { scale: 1 / 128 } }],
  ])('fail it with %s', async (_, { input }) => {
    const { card, graph } = await findModel(shippedFolders(), 'recogniser', 'embedder');
    const wrong = { ...card, input: { ...card.input, ...input } } as typeof card;
    await expect(checkGolden(pool, { card: wrong, graph })).rejects.toMatchObject({
      code: 'FB_MODEL_GOLDEN_MISMATCH',
    });
  });

  it('fail it with a template of another size', async () => {
    const { card, graph } = await findModel(shippedFolders(), 'recogniser', 'embedder');
    const wrong = { ...card, align: { template: 'arcface5-112' } } as const;
    await expect(checkGolden(pool, { card: wrong, graph })).rejects.toMatchObject({
      code: 'FB_CARD_INVALID',
      details: { field: 'align.template' },
    });
  });
});

const title = here ? 'agree with face-api' : `agree with face-api (SKIPPED: ${file} is absent)`;
describe.skipIf(!here)(title, () => {
  let detector: FaceDetector;
  let finder: LandmarkFinder;
  let embedder: Embedder;
  let square: Network;
  beforeAll(async () => {
    const folders = shippedFolders();
    detector = await FaceDetector.open(pool, await findModel(folders, 'detector', 'detector'));
    finder = await LandmarkFinder.open(pool, await findModel(folders, 'landmarks', 'landmarks'));
    embedder = await Embedder.open(pool, await findModel(folders, 'recogniser', 'embedder'));
    square = await pool.load({ name: 'crop', graph: squareGraph(embedder.card.input) });
  });
  const reached = { box: 0, score: 0, landmarks: 0, descriptor: 0 };
  afterAll(() => console.log('largest differences from face-api:', reached));

  /** face-api embeds an upright crop, padded to a square on both sides and resized. */
  const descriptor = async (photo: Photo, window: Box) => {
    const side = Math.max(window.width, window.height);
    const [x, y] = [window.width, window.height].map((extent) => -Math.floor((side - extent) / 2));
    const { image } = await square.run(planSquare(photo, { window, x: x!, y: y!, side }, 150));
    return embedder.raw(image!);
  };

  it.each(golden.images.map((image) => [image.input.replace(/^\S+ /, ''), image] as const))(
    '%s',
    async (path, image) => {
      const photo = await decodePhoto(join(packageFolder, path));
      const whole = await descriptor(photo, { x: 0, y: 0, width: photo.width, height: photo.height });
      expect(largestDifference(whole, image.wholeImageDescriptor)).toBeLessThan(1e-5);

      const found = await detector.detect(photo);
      expect(found).toHaveLength(image.faces.length);
      for (const { faceapi } of image.faces) {
        const difference = (box: Box) =>
          largestDifference([box.x, box.y, box.width, box.height], faceapi.box);
        const face = [...found].sort((a, b) => difference(a.box) - difference(b.box))[0]!;
        reached.box = Math.max(reached.box, difference(face.box));
        reached.score = Math.max(reached.score, Math.abs(face.score - faceapi.score));

        // face-api crops at whole pixels, then places the landmarks from the box's unrounded corner, which shifts all of them by the
        // fraction. Ours lie where the crop began.
        const [shiftX, shiftY] = [face.box.x, face.box.y].map((corner) => corner - Math.floor(corner));
        const landmarks = await finder.find(photo, face.box);
        const placed = landmarks.flatMap(({ x, y }) => [x + shiftX!, y + shiftY!]);
        reached.landmarks = Math.max(
          reached.landmarks,
          largestDifference(placed, faceapi.landmarksPx.flat()),
        );

        const [x, y, width, height] = faceapi.dlibRect;
        const values = await descriptor(photo, { x, y, width, height });
        reached.descriptor = Math.max(reached.descriptor, largestDifference(values, faceapi.descriptor));
      }
      expect(reached.box).toBeLessThan(0.05);
      expect(reached.score).toBeLessThan(1e-4);
      expect(reached.landmarks).toBeLessThan(0.05);
      expect(reached.descriptor).toBeLessThan(1e-5);
    },
  );
});
