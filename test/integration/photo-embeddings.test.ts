import { copyFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mixedQuality, qualityOf } from '../../src/evaluation/index.js';
import { decodePhoto, PhotoEmbeddings } from '../../src/faces/index.js';
import { InferencePool } from '../../src/onnx/index.js';
import type { Networks } from '../../src/pipeline/index.js';
import { dot } from '../support/dot.js';
import { shippedNetworks, temporaryFolder } from '../support/networks.js';

const samples = join(
  dirname(createRequire(import.meta.url).resolve('@vladmandic/face-api/package.json')),
  'demo',
);
const photos = [1, 2, 3].map((n) => join(samples, `sample${n}.jpg`));

let folder: string;
let models: Networks;
const pool = new InferencePool({ threads: 1 });
beforeAll(async () => {
  folder = await temporaryFolder();
  models = await shippedNetworks();
});
afterAll(async () => {
  await pool.close();
  await rm(folder, { recursive: true });
});

describe('PhotoEmbeddings', () => {
  it('makes each embedding once, keeps it by content, and knows what shows no face', async () => {
    const cache = join(folder, 'kept');
    const blank = join(folder, 'blank.png');
    await sharp({ create: { width: 64, height: 64, channels: 3, background: '#888' } }).toFile(blank);
    const copy = join(folder, 'copy.jpg');
    await copyFile(photos[0] as string, copy);
    const asked = [...photos, copy, blank];
    const first = await new PhotoEmbeddings(pool, { cache }).embed(asked, models);
    expect(first.map((e) => e?.length)).toEqual([128, 128, 128, 128, undefined]);
    expect(first[3]).toEqual(first[0]);
    expect(await readdir(cache)).toHaveLength(4);

    const seen: number[][] = [];
    const again = await new PhotoEmbeddings(pool, { cache }).embed(asked, models, {
      onProgress: (...progress) => seen.push(progress),
    });
    expect(again).toEqual(first);
    expect(seen).toEqual([[5, 5, 5]]);
  });

  it('goes on where it was stopped', async () => {
    const cache = join(folder, 'stopped');
    const stop = new AbortController();
    const options = { signal: stop.signal, onProgress: (done: number) => done === 2 && stop.abort() };
    await expect(
      new PhotoEmbeddings(pool, { cache }).embed(photos, models, {
        ...options,
        onProgress: (d) => void options.onProgress(d),
      }),
    ).rejects.toMatchObject({ code: 'FB_CANCELLED' });
    const kept = (await readdir(cache)).length;
    expect(kept).toBeGreaterThanOrEqual(2);
    let known = -1;
    await new PhotoEmbeddings(pool, { cache }).embed(photos, models, {
      onProgress: (_, __, before) => {
        known = before;
      },
    });
    expect(known).toBe(kept);
  });

  it('makes an embedding anew where the kept file is damaged, and names a photo that is not there', async () => {
    const cache = join(folder, 'damaged');
    const one = photos.slice(0, 1);
    const [first] = await new PhotoEmbeddings(pool, { cache }).embed(one, models);
    const [file] = await readdir(cache);
    await writeFile(join(cache, file as string), 'not an array');
    expect((await new PhotoEmbeddings(pool, { cache }).embed(one, models))[0]).toEqual(first);
    expect((await stat(join(cache, file as string))).size).toBeGreaterThan(128 * 4);
    await expect(new PhotoEmbeddings(pool).embed([join(folder, 'none.jpg')], models)).rejects.toMatchObject({
      code: 'FB_FILE_UNREADABLE',
    });
  });

  it('keeps embeddings of changed photos beside those of the photos as they are', async () => {
    const cache = join(folder, 'changed');
    const embeddings = new PhotoEmbeddings(pool, { cache });
    const clean = await embeddings.embed(photos, models);
    const change = {
      name: 'mirror',
      apply: async (photo: Awaited<ReturnType<typeof decodePhoto>>, _: string, side: number) => {
        expect(side).toBeGreaterThan(20);
        const raw = { width: photo.width, height: photo.height, channels: 3 } as const;
        return { ...photo, pixels: await sharp(Buffer.from(photo.pixels), { raw }).flop().raw().toBuffer() };
      },
    };
    const changed = await embeddings.embed(photos, models, { change });
    expect(await readdir(cache)).toHaveLength(6);
    changed.forEach((embedding, i) => {
      const similarity = dot(embedding as Float32Array, clean[i] as Float32Array);
      expect(similarity).toBeGreaterThan(0.93);
      expect(similarity).toBeLessThan(0.9999);
    });
  });
});

describe('mixedQuality', () => {
  it('keeps half of the photos and gives the others one of three faults, each as often', () => {
    const counts = new Map<string, number>();
    for (let i = 0; i < 6000; i++) {
      const { quality } = qualityOf(`photo-${i}`, 1);
      counts.set(quality, (counts.get(quality) ?? 0) + 1);
    }
    expect(counts.get('kept')! / 6000).toBeCloseTo(0.5, 1);
    for (const fault of ['low resolution', 'blur', 'darkness'])
      expect(counts.get(fault)! / 1000).toBeCloseTo(1, 0);
  });

  it('changes a photo as its content and the seed say, each fault as its name says', async () => {
    const photo = await decodePhoto(await sharp(photos[0]).resize(160).png().toBuffer());
    const mean = (pixels: Uint8Array) => pixels.reduce((sum, x) => sum + x, 0) / pixels.length;
    const detail = ({ pixels }: { pixels: Uint8Array }) => {
      let sum = 0;
      for (let i = 3; i < pixels.length; i++)
        sum += Math.abs((pixels[i] as number) - (pixels[i - 3] as number));
      return sum / pixels.length;
    };
    for (const quality of ['kept', 'low resolution', 'blur', 'darkness'] as const) {
      const hash = Array.from({ length: 100 }, (_, i) => `photo-${i}`).find(
        (h) => qualityOf(h, 1).quality === quality,
      )!;
      const changed = await mixedQuality(1).apply(photo, hash, 100);
      expect(changed).toMatchObject({ width: photo.width, height: photo.height });
      const again = await mixedQuality(1).apply(photo, hash, 100);
      expect(Buffer.compare(again.pixels, changed.pixels)).toBe(0);
      if (quality === 'kept') expect(changed).toBe(photo);
      else expect(detail(changed)).toBeLessThan(0.9 * detail(photo));
      if (quality === 'darkness') expect(mean(changed.pixels)).toBeLessThan(0.45 * mean(photo.pixels));
      else expect(Math.abs(mean(changed.pixels) - mean(photo.pixels))).toBeLessThan(3);
    }
  });
});
