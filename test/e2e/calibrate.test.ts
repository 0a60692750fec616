import { rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatNpy } from '../../src/vectors/index.js';
import { foilbank } from '../support/cli.js';
import { temporaryFolder } from '../support/networks.js';
import {
  noise,
  tinyArcFace,
  tinyArcFaceCard,
  tinyGenerator,
  tinyGeneratorCard,
  writeModel,
} from '../support/tiny-models.js';

const demo = join(
  dirname(createRequire(import.meta.url).resolve('@vladmandic/face-api/package.json')),
  'demo',
);
let folder: string;
let env: Record<string, string>;
const run = (...args: string[]) => foilbank(args, { env });

beforeAll(async () => {
  folder = await temporaryFolder();
  env = { FOILBANK_STORE: join(folder, 'banks'), FOILBANK_MODELS: join(folder, 'models') };
  await writeModel(join(folder, 'models'), tinyGenerator(), tinyGeneratorCard);
  await writeModel(join(folder, 'models'), tinyArcFace(), tinyArcFaceCard);
  const blobs = ['--generator', 'tiny-generator', '--min-score', '0', '--duplicate-ceiling', '1'];
  await run('bank', 'build', 'blobs', '--size', '128', ...blobs);
  const data = noise(40 * 128, 11).map((x, i) => x + (i % 128 === 0 ? 8 : 0));
  await writeFile(join(folder, 'faces.npy'), formatNpy({ shape: [40, 128], data }));
  await writeFile(join(folder, 'short.npy'), formatNpy({ shape: [40, 8], data: data.slice(0, 320) }));
});
afterAll(() => rm(folder, { recursive: true }));

describe('foilbank calibrate', () => {
  it('publishes a calibrated version, and show says from what and how', async () => {
    const { code, stdout } = await run(
      'calibrate',
      '--bank',
      'blobs',
      '--embeddings',
      join(folder, 'faces.npy'),
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(/calibration +moments from 40 embeddings \(40 different embeddings of 128/);
    const shown = await run('bank', 'show', 'blobs');
    expect(shown.stdout).toBe(stdout);
    expect(stdout).toMatch(/operator +fuse\/1, K 16.*\n *typical r ± σ +0\.\d+ ± 0\.\d+/);
    expect((await run('bank', 'verify', 'blobs')).code).toBe(0);
  });

  it.each([
    [
      'photos of another embedder than the bank was made with',
      ['--embedder', 'tiny-arcface', demo],
      'FB_BANK_EMBEDDER_DIFFERS',
    ],
    ['too few photos', [demo], 'FB_CALIBRATION_TOO_FEW'],
    ['embeddings of another length', ['--embeddings', 'short.npy'], 'FB_EMBEDDING_LENGTH'],
    ['nothing at all', [], 'FB_OPTION_INVALID'],
  ])('refuses %s', async (_, given, error) => {
    const args = given.map((arg) => (arg.endsWith('.npy') ? join(folder, arg) : arg));
    const { code, stderr } = await run('calibrate', '--bank', 'blobs', ...args);
    expect(code).toBe(error === 'FB_OPTION_INVALID' ? 2 : 1);
    expect(stderr).toContain(error);
  });
});
