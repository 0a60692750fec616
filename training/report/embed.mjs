// Images in a NumPy file -> embeddings and detector scores, with Foilbank's own default networks.
//
//   node training/report/embed.mjs images IMAGES.npy OUT      uint8 [N, h, w, 3] RGB on the generator's canvas
//   node training/report/embed.mjs photos FOLDER OUT [COUNT]  photos, each read by detector and landmarks
//   node training/report/embed.mjs made CARD.json COUNT OUT [PSI] [FIRST]    samples of a generator, seeds FIRST (0) and on
//
// writes OUT.embeddings.npy float32 [N, 128] and OUT.scores.npy float32 [N]; `made` also OUT.images.npy, and prints images/s.
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { resolveConfig } from '../../dist/src/config.js';
import { betweenTemplates, compose, Embedder, FaceReader, FaceScorer, ImageChips, similarity } from '../../dist/src/faces/index.js';
import { findModel, InferencePool } from '../../dist/src/onnx/index.js';
import { Generator } from '../../dist/src/synthesis/index.js';

const BATCH = 32;

/** NumPy file -> { shape, data }, of uint8. */
function parseNpy(buffer) {
  const header = buffer.subarray(10, 10 + buffer.readUInt16LE(8)).toString('latin1');
  if (!header.includes("'|u1'")) throw new Error(`uint8 wanted, found ${header}`);
  const shape = /\(([^)]*)\)/.exec(header)[1].split(',').filter((s) => s.trim()).map(Number);
  return { shape, data: buffer.subarray(10 + buffer.readUInt16LE(8)) };
}

async function writeNpy(file, descr, array, shape) {
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`;
  const padded = text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11) + '\n';
  const start = Buffer.alloc(10);
  start.write('\x93NUMPY\x01\x00', 0, 'latin1');
  start.writeUInt16LE(padded.length, 8);
  await writeFile(file, Buffer.concat([start, Buffer.from(padded, 'latin1'), Buffer.from(array.buffer, array.byteOffset, array.byteLength)]));
}

/** A pipe from images float32 [n, 3, side, side] in [-1, 1] to scores and embeddings. */
async function reader(pool, models, format, align) {
  const { input, align: wanted } = models.embedder.card;
  const placed = similarity(align.scale, align.rotation, ...align.translation);
  const [chips, embedder, scorer] = await Promise.all([
    ImageChips.open(pool, input, format, compose(betweenTemplates(align.template, wanted.template), placed)),
    Embedder.open(pool, models.embedder),
    FaceScorer.open(pool, models.detector, format),
  ]);
  return async (images) => {
    const scores = await scorer.score(images);
    const embeddings = await embedder.embed(await chips.cut(images), 'an image');
    return { scores, rows: Array.from(scores, (_, i) => embeddings.row(i)) };
  };
}

const canvas = (side) => ({ template: 'dlib68-150', scale: 200 / side, rotation: 0, translation: [100 / side - 25.390625, 100 / side - 25.390625] });

async function ofImages(pool, models, file) {
  const { shape: [count, height, width], data } = parseNpy(await readFile(file));
  const read = await reader(pool, models, { width, height, colour: 'rgb', range: [-1, 1] }, canvas(width));
  const plane = width * height;
  const out = { scores: [], rows: [] };
  for (let at = 0; at < count; at += BATCH) {
    const n = Math.min(BATCH, count - at);
    const images = new Float32Array(n * 3 * plane);
    for (let i = 0; i < n; i++)
      for (let p = 0; p < plane; p++)
        for (let c = 0; c < 3; c++) images[(i * 3 + c) * plane + p] = data[((at + i) * plane + p) * 3 + c] / 127.5 - 1;
    const part = await read(images);
    out.scores.push(...part.scores);
    out.rows.push(...part.rows);
  }
  return out;
}

async function ofPhotos(pool, models, folder, limit) {
  const names = (await readdir(folder, { recursive: true })).filter((n) => /\.(jpe?g|png)$/i.test(n)).sort();
  const step = Math.max(1, Math.floor(names.length / limit));
  const files = names.filter((_, i) => i % step === 0).slice(0, limit).map((n) => join(folder, n));
  const faces = await FaceReader.open(pool, models);
  const out = { scores: [], rows: [], names: [] };
  for await (const result of faces.embedPhotos(files, { faceBox: 'whole' })) {
    if (!('face' in result)) continue;
    out.rows.push(result.face.embedding);
    out.names.push(result.photo);
  }
  // Scores come from the same framing as a generated image's.
  const side = 150;
  const scorer = await FaceScorer.open(pool, models.detector, { width: side, height: side, colour: 'rgb', range: [0, 255] });
  for (let at = 0; at < files.length; at += BATCH) {
    const some = files.slice(at, at + BATCH);
    const images = new Float32Array(some.length * 3 * side * side);
    for (const [i, file] of some.entries()) {
      const pixels = await sharp(file).resize(side, side, { fit: 'cover' }).removeAlpha().raw().toBuffer();
      for (let p = 0; p < side * side; p++) for (let c = 0; c < 3; c++) images[(i * 3 + c) * side * side + p] = pixels[p * 3 + c];
    }
    out.scores.push(...(await scorer.score(images)));
  }
  return out;
}

async function ofGenerator(pool, models, card, count, psi, first) {
  const model = await findModel(models.folders, card, 'generator');
  const generator = await Generator.open(pool, model);
  const { image, align } = model.card;
  const read = await reader(pool, models, image, align);
  const plane = image.width * image.height;
  const out = { scores: [], rows: [], pixels: new Uint8Array(count * plane * 3), shape: [count, image.height, image.width, 3] };
  let spent = 0;
  for (let at = 0; at < count; at += BATCH) {
    const seeds = Array.from({ length: Math.min(BATCH, count - at) }, (_, i) => first + at + i);
    const start = performance.now();
    const { images } = await generator.generate(seeds, psi ?? model.card.psi.default);
    spent += performance.now() - start;
    for (const [i] of seeds.entries())
      for (let p = 0; p < plane; p++)
        for (let c = 0; c < 3; c++) out.pixels[((at + i) * plane + p) * 3 + c] = Math.max(0, Math.min(255, (images[(i * 3 + c) * plane + p] + 1) * 127.5 + 0.5));
    const part = await read(images);
    out.scores.push(...part.scores);
    out.rows.push(...part.rows);
  }
  console.log(`${((count * 1000) / spent).toFixed(1)} images/s, one batch of ${BATCH} at a time`);
  return out;
}

const [mode, ...args] = process.argv.slice(2);
const config = resolveConfig(process.env, {});
const folders = { cards: config.cards, cache: config.cache };
const models = {
  folders,
  detector: await findModel(folders, config.detector ?? 'detector', 'detector'),
  landmarks: await findModel(folders, config.landmarks ?? 'landmarks', 'landmarks'),
  embedder: await findModel(folders, config.embedder ?? 'recogniser', 'embedder'),
};
const pool = new InferencePool({ threads: config.threads });
try {
  const [work, to] =
    mode === 'images' ? [ofImages(pool, models, args[0]), args[1]]
    : mode === 'photos' ? [ofPhotos(pool, models, args[0], Number(args[2] ?? 1e9)), args[1]]
    : [ofGenerator(pool, models, args[0], Number(args[1]), args[3] === undefined ? undefined : Number(args[3]), Number(args[4] ?? 0)), args[2]];
  const { scores, rows, pixels, shape, names } = await work;
  const flat = new Float32Array(rows.length * rows[0].length);
  for (const [i, row] of rows.entries()) flat.set(row, i * row.length);
  await writeNpy(`${to}.embeddings.npy`, '<f4', flat, [rows.length, rows[0].length]);
  await writeNpy(`${to}.scores.npy`, '<f4', Float32Array.from(scores), [scores.length]);
  if (pixels) await writeNpy(`${to}.images.npy`, '|u1', pixels, shape);
  if (names) await writeFile(`${to}.names.txt`, `${names.join('\n')}\n`);
  const found = Array.from(scores).filter((s) => s >= 0.5).length;
  console.log(`${scores.length} images, ${((100 * found) / scores.length).toFixed(1)} % found at 0.5`);
} finally {
  await pool.close();
}
