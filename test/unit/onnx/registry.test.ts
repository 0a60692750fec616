import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { findModel, InferencePool, listModels, loadModel, parseCard } from '../../../src/onnx/index.js';
import {
  tinyArcFace,
  tinyArcFaceCard,
  tinyGenerator,
  tinyGeneratorCard,
  writeModel,
} from '../../support/tiny-models.js';

const pool = new InferencePool({ threads: 1 });
let folder: string;
const made: string[] = [];
const folders = () => ({ cards: [folder], cache: join(folder, 'cache') });
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'foilbank-registry-'));
  made.push(folder);
});
afterAll(async () => {
  await pool.close();
  for (const each of made) await rm(each, { recursive: true });
});

const complete = { file: 'x.onnx', sha256: 'a'.repeat(64) };

describe('parseCard', () => {
  it('accepts a complete card and fills in the defaults', () => {
    const { layout: _, ...input } = tinyArcFaceCard.input;
    expect(parseCard({ ...tinyArcFaceCard, ...complete, input }, 'test')).toMatchObject({
      input: { layout: 'NCHW' },
    });
  });

  it.each([
    ['samePersonCeiling', { samePersonCeiling: 1.5 }],
    ['input.colour', { input: { ...tinyArcFaceCard.input, colour: 'cmyk' } }],
    ['align.template', { align: { template: 'mtcnn' } }],
    ['sha256', { sha256: 'abc' }],
    ['licence', { licence: undefined }],
    ['kind', { kind: 'oracle' }],
  ])('names the field %s when that is wrong', (field, change) => {
    expect(() => parseCard({ ...tinyArcFaceCard, ...complete, ...change }, 'card.json')).toThrowError(
      expect.objectContaining({
        code: 'FB_CARD_INVALID',
        details: expect.objectContaining({ field, card: 'card.json' }),
      }),
    );
  });

  it('refuses a field that it does not know, by name', () => {
    expect(() =>
      parseCard({ ...tinyArcFaceCard, ...complete, align: { template: 'dlib68-150', templat: 1 } }, 'c'),
    ).toThrowError(/align.*templat/);
  });
});

describe('listModels and findModel', () => {
  it('find cards by name, and by path', async () => {
    const card = await writeModel(folder, tinyGenerator(), tinyGeneratorCard);
    await writeModel(join(folder, 'deeper'), tinyArcFace(), tinyArcFaceCard);
    expect((await listModels(folders())).map((m) => m.card.name)).toEqual(['tiny-arcface', 'tiny-generator']);
    expect((await findModel(folders(), 'tiny-generator', 'generator')).card.zDim).toBe(16);
    expect((await findModel(folders(), card, 'generator')).card.zDim).toBe(16);
  });

  it('say which names are known', async () => {
    await writeModel(folder, tinyGenerator(), tinyGeneratorCard);
    await expect(findModel(folders(), 'nobody', 'generator')).rejects.toMatchObject({
      code: 'FB_CARD_UNKNOWN',
      message: expect.stringContaining('tiny-generator'),
    });
  });

  it('refuse a card of another kind', async () => {
    await writeModel(folder, tinyGenerator(), tinyGeneratorCard);
    await expect(findModel(folders(), 'tiny-generator', 'embedder')).rejects.toMatchObject({
      code: 'FB_CARD_INVALID',
      details: { field: 'kind' },
    });
  });

  it('pass over JSON that is no card', async () => {
    await writeFile(join(folder, 'manifest.json'), '{"format":"foilbank.bank/1"}');
    expect(await listModels(folders())).toEqual([]);
  });

  it('tell of a card that cannot be read, and go on to the others', async () => {
    await writeFile(join(folder, 'bad.json'), '{');
    await writeModel(folder, tinyGenerator(), tinyGeneratorCard);
    const told: string[] = [];
    const models = await listModels(folders(), ({ code }) => told.push(code));
    expect(models.map((m) => m.card.name)).toEqual(['tiny-generator']);
    expect(told).toEqual(['FB_CARD_UNREADABLE']);
  });
});

describe('loadModel', () => {
  const load = async (change: Record<string, unknown>) => {
    const file = await writeModel(folder, tinyArcFace(), { ...tinyArcFaceCard, ...change });
    return loadModel(pool, await findModel(folders(), file, 'embedder'));
  };

  it('opens a graph that fits its card', async () => {
    const network = await load({});
    expect(network.inputs[0]?.name).toBe('input.1');
    await network.release();
  });

  it.each([
    ['input', { input: { ...tinyArcFaceCard.input, name: 'data' } }],
    ['input', { input: { ...tinyArcFaceCard.input, width: 150, height: 150 } }],
    ['input', { input: { ...tinyArcFaceCard.input, layout: 'NHWC' } }],
    ['output', { output: { name: '683', dimension: 128 } }],
  ])('names the field %s when the graph differs from the card', async (field, change) => {
    await expect(load(change)).rejects.toMatchObject({ code: 'FB_MODEL_GRAPH_MISMATCH', details: { field } });
  });

  it('names an input that the card forgot', async () => {
    const { psi: _, ...inputs } = tinyGeneratorCard.inputs;
    const file = await writeModel(folder, tinyGenerator(), { ...tinyGeneratorCard, inputs });
    await expect(loadModel(pool, await findModel(folders(), file, 'generator'))).rejects.toMatchObject({
      code: 'FB_MODEL_GRAPH_MISMATCH',
      details: { field: 'fixedInputs' },
    });
  });

  it('finds a single changed byte before onnxruntime sees the file', async () => {
    const file = await writeModel(folder, tinyArcFace(), tinyArcFaceCard);
    const graph = file.replace('.json', '.onnx');
    const bytes = await readFile(graph);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1;
    await writeFile(graph, bytes);
    await expect(loadModel(pool, await findModel(folders(), file, 'embedder'))).rejects.toMatchObject({
      code: 'FB_MODEL_HASH_MISMATCH',
      details: { file: graph },
    });
  });

  it('says which file is missing', async () => {
    const file = await writeModel(folder, tinyArcFace(), tinyArcFaceCard);
    await rm(file.replace('.json', '.onnx'));
    await expect(loadModel(pool, await findModel(folders(), file, 'embedder'))).rejects.toMatchObject({
      code: 'FB_MODEL_FILE_MISSING',
    });
  });
});
