import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { publishBank } from '../../src/bank/index.js';
import { errorDetailOf } from '../../src/client.js';
import { alignment, decodePhoto, FaceDetector, LandmarkFinder, PhotoChips } from '../../src/faces/index.js';
import { fingerprint, InferencePool } from '../../src/onnx/index.js';
import type { Networks } from '../../src/pipeline/index.js';
import { shippedNetworks } from '../support/networks.js';
import { type Bench, crowd, startService } from '../support/service.js';
import { draftOf } from '../unit/bank/fixtures.js';

const demo = join(
  dirname(createRequire(import.meta.url).resolve('@vladmandic/face-api/package.json')),
  'demo',
);
let bench: Bench;
let networks: Networks;
let photo: Buffer;
beforeAll(async () => {
  networks = await shippedNetworks();
  photo = await readFile(join(demo, 'sample1.jpg'));
  bench = await startService((store) => {
    const draft = draftOf(crowd(50, 1, 128));
    const { embedder } = draft.inputs;
    const own = { name: 'recogniser', cardSha256: fingerprint(networks.embedder.card) };
    return publishBank(store, 'default', {
      ...draft,
      inputs: { ...draft.inputs, embedder: { ...embedder, ...own } },
      parameters: { ...draft.parameters, neighbours: 16, operator: 'standardise/1' },
    });
  });
});
afterAll(() => bench.close());

describe('Detect', () => {
  it('gives every face left to right, by the numbers that Embed takes', async () => {
    const { face } = bench.client;
    const { width, height, faces } = await face.detect({ image: photo });
    expect(await sharp(photo).metadata()).toMatchObject({ width, height });
    expect(faces.length).toBeGreaterThan(1);
    const centres = faces.map((f) => f.x + f.width / 2);
    expect(centres).toEqual([...centres].sort((a, b) => a - b));
    const photos = faces.map((_, i) => ({
      image: photo,
      face: { case: 'index' as const, value: i + 1 },
    }));
    const embedded = await face.embed({ photos });
    for (const [i, { x, y, width, height, score }] of faces.entries())
      expect(embedded.faces[i]).toMatchObject({ x, y, width, height, score });
    const [a, b] = photos as [(typeof photos)[0], (typeof photos)[0]];
    const compared = await face.compare({ a, b, operator: 'none' });
    expect(compared.b).toMatchObject({ x: faces[1]!.x, y: faces[1]!.y });
  });

  it('shows each face as the embedder sees it', async () => {
    const { faces } = await bench.client.face.detect({ image: photo });
    const pool = new InferencePool({ threads: 1 });
    const { embedder, detector, landmarks } = networks;
    const { width, height, mean, scale } = embedder.card.input;
    const decoded = await decodePhoto(photo);
    const [first] = (await (await FaceDetector.open(pool, detector!)).detect(decoded)).sort(
      (p, q) => p.box.x + p.box.width / 2 - (q.box.x + q.box.width / 2),
    );
    const points = await (await LandmarkFinder.open(pool, landmarks!)).find(decoded, first!.box);
    const toChip = alignment(points, embedder.card.align.template);
    const chip = await (await PhotoChips.open(pool, embedder.card.input)).cut(decoded, toChip!);
    await pool.close();
    const shown = await sharp(faces[0]!.chip).raw().toBuffer({ resolveWithObject: true });
    expect(shown.info).toMatchObject({ width, height, channels: 3 });
    expect((await sharp(faces[0]!.chip).metadata()).format).toBe('webp');
    const scales = Array.isArray(scale) ? scale : [scale, scale, scale];
    let off = 0;
    const pixels = width * height;
    for (let plane = 0; plane < 3; plane++) {
      const channel = embedder.card.input.colour === 'bgr' ? 2 - plane : plane;
      for (let i = 0; i < pixels; i++) {
        const value = Number(chip.data[plane * pixels + i]) / scales[plane]! + mean[plane]!;
        off += Math.abs(value - shown.data[i * 3 + channel]!) / (3 * pixels);
      }
    }
    expect(off).toBeLessThan(4);
  });

  it('of a picture without a face gives none, of rubbish a code', async () => {
    const { face } = bench.client;
    const empty = sharp({ create: { width: 200, height: 100, channels: 3, background: '#7a8' } });
    expect(await face.detect({ image: await empty.png().toBuffer() })).toMatchObject({
      ...{ width: 200, height: 100, faces: [] },
    });
    const error = await face.detect({ image: Buffer.from('rubbish') }).catch((e: unknown) => e);
    expect(errorDetailOf(error)?.code).toBe('FB_PHOTO_NOT_AN_IMAGE');
  });
});
