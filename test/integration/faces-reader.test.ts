import { existsSync, readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/config.js';
import { decodePhoto, FaceReader, FaceScorer } from '../../src/faces/index.js';
import { findModel, InferencePool } from '../../src/onnx/index.js';
import { dot } from '../support/dot.js';
import { shippedFolders, temporaryFolder, tinyNetworks } from '../support/networks.js';
import { largestDifference, plane } from '../support/pixels.js';

const demo = join(
  dirname(createRequire(import.meta.url).resolve('@vladmandic/face-api/package.json')),
  'demo',
);
const sample = (n: number) => join(demo, `sample${n}.jpg`);
const shared = process.env.FOILBANK_SHARED ?? join(packageRoot(), '..', 'shared');
const crops = join(shared, 'lfw-dev', 'images');
const withCrops = existsSync(crops);
const needsCrops = (title: string) => (withCrops ? title : `${title} (SKIPPED: ${crops} is absent)`);

let pool: InferencePool;
let reader: FaceReader;
let folder: string;
beforeAll(async () => {
  pool = new InferencePool();
  folder = await temporaryFolder();
  const folders = shippedFolders();
  reader = await FaceReader.open(pool, {
    detector: await findModel(folders, 'detector', 'detector'),
    landmarks: await findModel(folders, 'landmarks', 'landmarks'),
    embedder: await findModel(folders, 'recogniser', 'embedder'),
  });
});
afterAll(() => pool.close());

/** A square around the largest face of a sample, with room on every side. */
async function portrait(n: number): Promise<Buffer> {
  const photo = await decodePhoto(sample(n));
  const { box } = (await reader.detect(sample(n))).sort((a, b) => b.box.width - a.box.width)[0]!;
  const margin = box.height * 0.6;
  const [left, top] = [Math.max(0, box.x - margin), Math.max(0, box.y - margin)].map(Math.round) as [
    number,
    number,
  ];
  const size = Math.round(box.height + 2 * margin);
  const [width, height] = [Math.min(size, photo.width - left), Math.min(size, photo.height - top)];
  return sharp(sample(n)).extract({ left, top, width, height }).png().toBuffer();
}

describe('FaceReader', () => {
  it('takes the largest of several faces and says so', async () => {
    const faces = await reader.detect(sample(1));
    expect(faces.length).toBeGreaterThan(1);
    const face = await reader.embedPhoto(sample(1));
    const area = (box: { width: number; height: number }) => box.width * box.height;
    expect(area(face.box)).toBe(Math.max(...faces.map((f) => area(f.box))));
    expect(face.warnings).toEqual([
      { code: 'several-faces', message: expect.stringContaining(`${faces.length} faces`) },
    ]);
  });

  it('gives an embedding of unit length that turning or rescaling the photo hardly changes', async () => {
    const upright = await portrait(1);
    const face = await reader.embedPhoto(upright);
    expect(face.warnings).toEqual([]);
    expect(face.landmarks).toHaveLength(68);
    expect(dot(face.embedding, face.embedding)).toBeCloseTo(1, 5);
    const turned = await sharp(upright).rotate(12, { background: '#808080' }).png().toBuffer();
    const large = await sharp(upright).resize({ width: 1400 }).png().toBuffer();
    const sideways = await sharp(upright)
      .rotate(90)
      .withMetadata({ orientation: 8 })
      .jpeg({ quality: 95 })
      .toBuffer();
    const stranger = dot(face.embedding, (await reader.embedPhoto(await portrait(2))).embedding);
    for (const same of [turned, large, sideways]) {
      const similarity = dot(face.embedding, (await reader.embedPhoto(same)).embedding);
      expect(similarity).toBeGreaterThan(0.97);
      expect(similarity).toBeGreaterThan(stranger);
    }
  });

  it('finds the face of a tight crop at the second look, with a border', async () => {
    const { box } = (await reader.detect(sample(1))).sort((a, b) => b.box.width - a.box.width)[0]!;
    const [left, top, width, height] = [box.x, box.y, box.width, box.height].map(Math.round) as [
      number,
      number,
      number,
      number,
    ];
    const tight = await sharp(sample(1)).extract({ left, top, width, height }).png().toBuffer();
    const face = await reader.embedPhoto(tight);
    expect(face.box.width).toBeGreaterThan(width / 2);
    expect(face.box.x).toBeLessThan(width / 2);
  });

  it('says that there is no face, in a photo without one', async () => {
    const gradient = await sharp({ create: { width: 200, height: 150, channels: 3, background: '#7799aa' } })
      .png()
      .toBuffer();
    await expect(reader.embedPhoto(gradient, { name: 'sky.png' })).rejects.toMatchObject({
      code: 'FB_NO_FACE',
      message: expect.stringContaining('sky.png'),
    });
    expect(await reader.detect(gradient)).toEqual([]);
  });

  it('goes on past bad photos and tells what was wrong with each, in order', async () => {
    const bad = join(folder, 'bad.jpg');
    await writeFile(bad, 'no image');
    const results: string[] = [];
    for await (const result of reader.embedPhotos([sample(2), bad, join(folder, 'absent.jpg'), sample(3)]))
      results.push('error' in result ? result.error.code : 'face');
    expect(results).toEqual(['face', 'FB_PHOTO_NOT_AN_IMAGE', 'FB_PHOTO_MISSING', 'face']);
  });

  it('reads through an ArcFace of 112 px, BGR and 512 values that came with a card', async () => {
    const { detector, landmarks, embedder } = await tinyNetworks(folder, {
      embedder: {
        name: 'bgr',
        input: {
          name: 'input.1',
          width: 112,
          height: 112,
          colour: 'bgr',
          mean: [127.5, 127.5, 127.5],
          scale: 1 / 127.5,
        },
      },
    });
    const own = await FaceReader.open(pool, { detector, landmarks, embedder });
    const face = await own.embedPhoto(await portrait(1));
    expect(face.embedding).toHaveLength(512);
    expect(dot(face.embedding, face.embedding)).toBeCloseTo(1, 5);
  });

  it('never keeps the event loop waiting while networks run', async () => {
    const photo = await portrait(1);
    await reader.embedPhoto(photo);
    const waits: number[] = [];
    let busy = true;
    const work = Promise.all(Array.from({ length: 4 }, () => reader.embedPhoto(photo))).finally(() => {
      busy = false;
    });
    let last = performance.now();
    while (busy) {
      await setImmediate();
      const now = performance.now();
      waits.push(now - last);
      last = now;
    }
    await work;
    // One detection takes some 40 ms, so a loop that it blocked would turn a handful of times and wait that long. Single longer waits are
    // left to other processes on the machine.
    waits.sort((a, b) => a - b);
    expect(waits.length).toBeGreaterThan(200);
    expect(waits[Math.floor(waits.length * 0.99)]).toBeLessThan(10);
  });
});

describe.skipIf(!withCrops)(needsCrops('on real crops'), () => {
  const names = withCrops ? readdirSync(crops).filter((_, i) => i % 27 === 0) : [];

  it('reads every crop whose face box is known, and tells people apart', async () => {
    const pairs = [
      ['Abel_Pacheco_0001.jpg', 'Abel_Pacheco_0004.jpg'],
      ['Amber_Tamblyn_0001.jpg', 'Amber_Tamblyn_0002.jpg'],
      ['Ann_Veneman_0003.jpg', 'Ann_Veneman_0005.jpg'],
    ];
    const vectors: Float32Array[] = [];
    for await (const result of reader.embedPhotos(
      pairs.flat().map((name) => join(crops, name)),
      { faceBox: 'whole' },
    ))
      if ('face' in result) vectors.push(result.face.embedding);
    expect(vectors).toHaveLength(6);
    const similarities = vectors.map((a) => vectors.map((b) => dot(a, b)));
    const same = [similarities[0]![1]!, similarities[2]![3]!, similarities[4]![5]!];
    const different = [similarities[0]![2]!, similarities[0]![4]!, similarities[2]![4]!];
    expect(Math.min(...same)).toBeGreaterThan(Math.max(...different));
  });

  it('gives the same bits whenever the same photos are read, and one by one the same to 1e-6', async () => {
    const paths = names.slice(0, 13).map((name) => join(crops, name));
    const read = async () => {
      const vectors: Float32Array[] = [];
      for await (const result of reader.embedPhotos(paths, { faceBox: 'whole' }))
        if ('face' in result) vectors.push(result.face.embedding);
      return vectors;
    };
    const [once, twice] = [await read(), await read()];
    expect(once).toHaveLength(paths.length);
    expect(twice).toEqual(once);
    for (const [i, path] of paths.entries()) {
      const { embedding } = await reader.embedPhoto(path, { faceBox: 'whole' });
      expect(largestDifference(embedding, once[i]!)).toBeLessThan(1e-6);
    }
  });

  it('scores real faces as faces, and pieces of them as none, many in one pass', async () => {
    const { card, graph } = await findModel(shippedFolders(), 'detector', 'detector');
    const format = { width: 150, height: 150, colour: 'rgb', range: [0, 255] } as const;
    const scorer = await FaceScorer.open(pool, { card, graph }, format);
    const images = new Float32Array(names.length * 67_500);
    const pieces = new Float32Array(names.length * 67_500);
    for (const [n, name] of names.entries()) {
      const photo = await decodePhoto(join(crops, name));
      for (let c = 0; c < 3; c++) {
        const at = plane(photo, c);
        for (let i = 0; i < 22_500; i++) {
          const [x, y] = [i % 150, Math.floor(i / 150)];
          images[(n * 3 + c) * 22_500 + i] = at(x, y);
          // Strips from distant places side by side: all of a face is there, but nowhere a face.
          pieces[(n * 3 + c) * 22_500 + i] = at(
            (x * 3 + Math.floor(x / 50)) % 150,
            (y + 75 + 50 * (x % 2)) % 150,
          );
        }
      }
    }
    const share = (scores: Float32Array) => scores.filter((s) => s >= 0.5).length / scores.length;
    expect(share(await scorer.score(images))).toBeGreaterThan(0.97);
    expect(share(await scorer.score(pieces))).toBeLessThan(0.1);
  });
});
