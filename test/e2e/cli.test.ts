import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatNpy, parseNpy } from '../../src/vectors/index.js';
import { foilbank, jsonLines } from '../support/cli.js';
import { temporaryFolder } from '../support/networks.js';
import { tinyGenerator, tinyGeneratorCard, writeModel } from '../support/tiny-models.js';

const samples = join(
  dirname(createRequire(import.meta.url).resolve('@vladmandic/face-api/package.json')),
  'demo',
);
const sample = (n: number) => join(samples, `sample${n}.jpg`);

let folder: string;
let env: Record<string, string>;
beforeAll(async () => {
  folder = await temporaryFolder();
  env = { FOILBANK_STORE: join(folder, 'banks'), FOILBANK_MODELS: join(folder, 'models') };
  await writeModel(join(folder, 'models'), tinyGenerator(), tinyGeneratorCard);
});
afterAll(() => rm(folder, { recursive: true }));
const run = (...args: string[]) => foilbank(args, { env });

const build = [
  'bank',
  'build',
  'blobs',
  '--generator',
  'tiny-generator',
  '--size',
  '128',
  '--min-score',
  '0',
  '--duplicate-ceiling',
  '1',
];

describe('foilbank bank', () => {
  it('build publishes, with progress and result as JSON lines', async () => {
    const { code, stdout, stderr } = await run(...build, '--json');
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const lines = jsonLines(stdout);
    expect(lines.find((l) => l.event === 'progress')).toMatchObject({ step: 'faces', total: 128 });
    expect(lines.at(-1)).toMatchObject({ event: 'published', bank: 'blobs', version: '000001' });
  });

  it('list, show and verify tell about it', async () => {
    expect(JSON.parse((await run('bank', 'list', '--json')).stdout)).toMatchObject([
      { bank: 'blobs', version: '000001', inService: true, candidates: 128, generator: 'tiny-generator' },
    ]);
    expect((await run('bank', 'show', 'blobs')).stdout).toMatch(/candidates +128 of 128 seeds/);
    expect(await run('bank', 'verify', 'blobs')).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('0 problems'),
    });
  });

  it('rollback puts the version before into service, and verify names a damaged file', async () => {
    await run(...build, '--force');
    expect(await run('bank', 'rollback', 'blobs')).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('000001'),
    });
    const shown = await run('bank', 'show', 'blobs', '--json');
    const { files } = JSON.parse(shown.stdout) as { files: { path: string }[] };
    const path = files.find((f) => f.path.endsWith('.arrow'))?.path as string;
    const file = join(folder, 'banks', 'blobs', 'versions', '000002', path);
    const bytes = await readFile(file);
    bytes[1000] = (bytes[1000] as number) ^ 1;
    await writeFile(file, bytes);
    const { code, stdout } = await run('bank', 'verify', 'blobs');
    expect(code).toBe(1);
    expect(stdout).toContain(path);
  });

  it('sheet writes a picture of the faces', async () => {
    const out = join(folder, 'sheet.png');
    expect(await run('bank', 'sheet', 'blobs', '--count', '32', '--out', out)).toMatchObject({ code: 0 });
    expect(await sharp(out).metadata()).toMatchObject({
      format: 'png',
      width: 6 + 16 * 70,
      height: 6 + 2 * 70,
    });
  });

  it('Ctrl-C ends a build with code 130, and the same command goes on from there', async () => {
    const slow = [
      ...build.slice(0, 2),
      'slow',
      ...build.slice(3),
      '--size',
      '4000',
      '--chunk-size',
      '32',
      '--json',
    ];
    let seen = 0;
    let sent = false;
    const { code, stderr } = await foilbank(slow, {
      env,
      onStart: (child) =>
        child.stdout?.on('data', (text: string) => {
          seen += text.split('"progress"').length - 1;
          if (seen > 6 && !sent) sent = child.kill('SIGINT');
        }),
    });
    expect(code).toBe(130);
    expect(stderr).toContain('FB_CANCELLED');
    const [first] = jsonLines((await run(...slow, '--size', '64')).stdout);
    expect(first?.done).toBeGreaterThan(0);
  });
});

describe('foilbank embed', () => {
  it('takes hundreds of photos by name', async () => {
    const out = join(folder, 'many.npy');
    const aside = `${folder}/${'./'.repeat(40)}absent`;
    const names = Array.from({ length: 400 }, (_, i) => `${aside}-${i}.jpg`);
    const { code, stderr } = await run('embed', sample(1), ...names, '--out', out);
    expect(stderr).toContain('1 embedded, 400 failed');
    expect(code).toBe(3);
  });

  it('writes a NumPy file and the names, and goes on past photos that cannot be read', async () => {
    const text = join(folder, 'notes.jpg');
    await writeFile(text, 'this is not a photo');
    const out = join(folder, 'faces.npy');
    const { code, stderr } = await run(
      'embed',
      sample(1),
      text,
      join(folder, 'absent.jpg'),
      sample(3),
      '--out',
      out,
    );
    expect(code).toBe(3);
    expect(stderr).toContain('FB_PHOTO_NOT_AN_IMAGE');
    expect(stderr).toContain('FB_PHOTO_MISSING');
    expect(stderr).toContain('3 faces in');
    expect(parseNpy(await readFile(out)).shape).toEqual([2, 128]);
    expect((await readFile(`${out}.txt`, 'utf8')).trim().split('\n')).toEqual([sample(1), sample(3)]);
  });

  it('does not leave half a file behind when the folder cannot be written', async () => {
    const file = join(folder, 'a-file');
    await writeFile(file, '');
    const { code, stderr } = await run('embed', sample(1), '--out', join(file, 'x.npy'));
    expect(code).toBe(1);
    expect(stderr).toContain('FB_FILE_UNWRITABLE');
  });
});

describe('foilbank neighbors', () => {
  it('lists the look-alikes of a photo with r and σ', async () => {
    const { code, stdout } = await run(
      'neighbors',
      sample(3),
      '--face',
      '2',
      '--bank',
      'blobs',
      '--k',
      '20',
      '--show',
      '5',
      '--json',
    );
    expect(code).toBe(0);
    const answer = JSON.parse(stdout);
    expect(answer).toMatchObject({ bank: 'blobs', k: 20, n: 20, complete: true });
    expect(answer.warnings.join()).toContain('not calibrated');
    expect(answer.neighbors).toHaveLength(5);
    const similarities = answer.neighbors.map((n: { similarity: number }) => n.similarity);
    expect(similarities).toEqual([...similarities].sort((a, b) => b - a));
  });

  it('leaves out excluded candidates', async () => {
    const ask = async (...more: string[]) =>
      JSON.parse(
        (await run('neighbors', sample(3), '--bank', 'blobs', '--k', '20', '--json', ...more)).stdout,
      );
    const { neighbors } = await ask();
    const without = await ask('--exclude', `${neighbors[0].id},${neighbors[1].id}`);
    expect(without.keptOut.excluded).toBe(2);
    expect(without.neighbors[0].id).toBe(neighbors[2].id);
  });

  it('takes embeddings from a NumPy file, and names a wrong length', async () => {
    const good = join(folder, 'good.npy');
    await writeFile(
      good,
      formatNpy({ data: Float32Array.from({ length: 256 }, (_, i) => Math.sin(i)), shape: [2, 128] }),
    );
    expect(
      JSON.parse((await run('neighbors', '--embedding', good, '--bank', 'blobs', '--json')).stdout),
    ).toHaveLength(2);
    const bad = join(folder, 'bad.npy');
    await writeFile(bad, formatNpy({ data: new Float32Array(4).fill(1), shape: [2, 2] }));
    const { code, stderr } = await run('neighbors', '--embedding', bad, '--bank', 'blobs');
    expect(code).toBe(1);
    expect(stderr).toContain('FB_EMBEDDING_LENGTH');
  });

  it('draws the face beside its look-alikes', async () => {
    const out = join(folder, 'look-alikes.png');
    await run('neighbors', sample(3), '--face', '2', '--bank', 'blobs', '--sheet', out);
    expect((await stat(out)).size).toBeGreaterThan(10_000);
  });
});

describe('foilbank align', () => {
  it('compares two photos, raw and aligned, and says that the bank is not calibrated', async () => {
    const args = [
      'align',
      sample(1),
      sample(3),
      '--face',
      '3,2',
      '--bank',
      'blobs',
      '--k',
      '20',
      '--operator',
      'shift',
    ];
    const answer = JSON.parse((await run(...args, '--json')).stdout);
    const [a, b] = answer.discrepancies;
    expect(answer.operator).toBe('shift/1');
    expect(answer.lambda).toBe(0.25);
    expect(answer.aligned).toBeCloseTo(answer.raw - (0.25 * (a.r + b.r)) / 2, 5);
    expect(answer.warnings.join()).toContain('not calibrated');
    expect((await run(...args)).stdout).toMatch(/raw similarity +0\.\d{4}\naligned +-?0\.\d{4}/);
  });

  it('is symmetric', async () => {
    const ask = async (photos: string[], faces: string) =>
      JSON.parse(
        (await run('align', ...photos, '--face', faces, '--bank', 'blobs', '--k', '20', '--json')).stdout,
      ).aligned;
    expect(await ask([sample(1), sample(3)], '3,2')).toBeCloseTo(await ask([sample(3), sample(1)], '2,3'), 5);
  });
});

describe('foilbank, used wrongly', () => {
  it.each([
    ['an unknown command', ['frobnicate'], 2, 'unknown command'],
    ['an unknown option', ['bank', 'list', '--frobnicate'], 2, 'unknown option'],
    ['a size that is no number', ['bank', 'build', '--size', 'many'], 2, 'whole number'],
    [
      'an unknown operator',
      ['align', sample(1), sample(3), '--bank', 'blobs', '--operator', 'magic'],
      2,
      'FB_OPTION_INVALID',
    ],
    [
      'a K above the bank',
      ['align', sample(1), sample(3), '--bank', 'blobs', '--k', '5000'],
      2,
      'FB_OPTION_INVALID',
    ],
    [
      'a face that is not there',
      ['align', sample(1), sample(3), '--bank', 'blobs', '--face', '9'],
      1,
      'FB_FACE_INDEX',
    ],
    [
      'a bank that does not exist',
      ['align', sample(1), sample(3), '--bank', 'nobody'],
      1,
      'FB_BANK_NOT_FOUND',
    ],
    ['a bank name that climbs out of the store', ['bank', 'show', '../../etc'], 1, 'FB_BANK_NAME_INVALID'],
    ['an unknown generator', ['bank', 'build', 'x', '--generator', 'nobody'], 1, 'FB_CARD_UNKNOWN'],
    ['neither photo nor embedding', ['neighbors'], 2, 'one of the two'],
    [
      'a picture of an embedding',
      ['neighbors', '--embedding', 'x.npy', '--sheet', 's.png'],
      2,
      'needs a photo',
    ],
  ])('%s: its exit code, and words that help', async (_, args, code, words) => {
    const outcome = await run(...args);
    expect(outcome.stderr).toContain(words);
    expect(outcome.stderr).not.toContain('    at ');
    expect(outcome.code).toBe(code);
  });

  it('an error is one JSON line with --json', async () => {
    const { stderr } = await run('bank', 'show', 'nobody', '--json');
    expect(jsonLines(stderr)).toMatchObject([{ event: 'error', code: 'FB_BANK_NOT_FOUND' }]);
  });

  it.each([[[]], [['bank']], [['models']], [['embed']]])(
    '--help of %o shows what there is',
    async (path: string[]) => {
      const { code, stdout } = await run(...path, '--help');
      expect(code).toBe(0);
      expect(stdout).toContain('Usage: foilbank');
    },
  );
});
