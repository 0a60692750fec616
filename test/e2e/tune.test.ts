import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatNpy } from '../../src/vectors/index.js';
import { foilbank, jsonLines } from '../support/cli.js';
import { crowd } from '../support/crowd.js';
import { temporaryFolder } from '../support/networks.js';
import { tinyGenerator, tinyGeneratorCard, writeModel } from '../support/tiny-models.js';

let folder: string;
let env: Record<string, string>;
const run = (...args: string[]) => foilbank(args, { env });
const file = (name: string) => join(folder, name);
const even = crowd({ people: 120, photos: 3, dimension: 128, seed: 6, noise: 0.4 });
const names = even.labels.map((label, i) => `${label}_${i % 3}.jpg`);
const version = async () => JSON.parse((await run('bank', 'show', 'blobs', '--json')).stdout).version;

beforeAll(async () => {
  folder = await temporaryFolder();
  env = { FOILBANK_STORE: file('banks'), FOILBANK_MODELS: file('models') };
  await writeModel(file('models'), tinyGenerator(), tinyGeneratorCard);
  const blobs = ['--generator', 'tiny-generator', '--min-score', '0', '--duplicate-ceiling', '1'];
  await run('bank', 'build', 'blobs', '--size', '128', ...blobs);
  await writeFile(file('faces.npy'), formatNpy({ shape: [360, 128], data: even.embeddings.data }));
  await writeFile(file('faces.npy.txt'), names.map((name) => `${name}\n`).join(''));
  await writeFile(
    file('short.npy'),
    formatNpy({ shape: [360, 64], data: even.embeddings.data.slice(0, 360 * 64) }),
  );
  await writeFile(file('one.txt'), 'a\n'.repeat(360));
  await writeFile(file('alone.txt'), names.map((_, i) => `p${i < 8 ? 0 : i}\n`).join(''));
  await writeFile(file('missing.csv'), 'a,b,same\nperson-1_0.jpg,nobody.jpg,0\n');
  await writeFile(
    file('contrary.csv'),
    'a,b,same\nperson-1_0.jpg,person-1_1.jpg,1\nperson-1_1.jpg,person-1_0.jpg,0\n',
  );
});
afterAll(() => rm(folder, { recursive: true }));

const tune = (...args: string[]) =>
  run(
    'tune',
    '--bank',
    'blobs',
    '--embeddings',
    file('faces.npy'),
    '--splits',
    '2',
    '--resamples',
    '40',
    ...args,
  );

describe('foilbank tune', () => {
  it('says what it would choose, and publishes nothing when it is only asked', async () => {
    const { code, stdout, stderr } = await tune('--dry-run');
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/Gain over raw in points, by people who had no part in the choice/);
    expect(stdout).toMatch(/FAR +│? *raw|FAR/);
    expect(stderr).toContain('nothing was published');
    expect(await version()).toBe('000001');
  });

  it('publishes the choice, and bank show, evaluate and align say why none is recommended', async () => {
    const { code, stdout } = await tune('--json');
    expect(code).toBe(0);
    const lines = jsonLines(stdout);
    expect(lines[0]).toMatchObject({ event: 'progress', step: 'looking up', total: 360 });
    const result = lines.at(-1) as { reason: string; gains: { far: number; interval: number[] }[] };
    expect(result).toMatchObject({
      event: 'tuned',
      bank: 'blobs',
      version: '000002',
      better: false,
      people: 120,
    });
    expect(result.gains[0]).toMatchObject({ far: 1e-2, interval: [expect.any(Number), expect.any(Number)] });
    const shown = await run('bank', 'show', 'blobs');
    expect(shown.stdout).toContain('none/1');
    expect(shown.stdout.replace(/\s+/g, ' ')).toContain(result.reason);
    const evaluated = await run(
      'evaluate',
      '--embeddings',
      file('faces.npy'),
      '--bank',
      'blobs',
      '--no-cohort',
      '--k',
      '16',
    );
    expect(evaluated.stderr).toContain(`bank blobs recommends raw similarities: ${result.reason}`);
  });

  it('interrupted says so and leaves the version in service', async () => {
    const before = await version();
    const { code, stderr } = await foilbank(
      [
        'tune',
        '--bank',
        'blobs',
        '--embeddings',
        file('faces.npy'),
        '--resamples',
        '10000',
        '--splits',
        '100',
      ],
      { env, onStart: (child) => child.stderr?.once('data', () => child.kill('SIGINT')) },
    );
    expect(stderr).toContain('FB_CANCELLED');
    expect(code).toBe(130);
    expect(await version()).toBe(before);
  });

  it.each([
    ['nothing to judge by', ['tune', '--bank', 'blobs'], 'FB_OPTION_INVALID'],
    ['one identity only', ['--labels', 'one.txt'], 'FB_IDENTITIES_TOO_FEW'],
    ['hardly a person with two photos', ['--labels', 'alone.txt'], 'FB_TUNING_TOO_FEW'],
    ['a rate that no impostor pair can show', ['--at', '1e-6'], 'FB_FAR_TOO_SMALL'],
    ['pairs that name a missing photo', ['--pairs', 'missing.csv'], 'FB_PAIRS_INVALID'],
    ['pairs that contradict', ['--pairs', 'contrary.csv'], 'FB_PAIRS_INVALID'],
    ['a bank that is not there', ['--bank', 'nowhere'], 'FB_BANK_NOT_FOUND'],
  ])('refuses %s', async (_, given, error) => {
    const args = given.map((arg) => (/\.(txt|csv)$/.test(arg) ? file(arg) : arg));
    const { code, stderr } = await (args[0] === 'tune' ? run(...args) : tune(...args));
    expect(stderr).toContain(error);
    expect(code).toBe(error === 'FB_OPTION_INVALID' ? 2 : 1);
  });

  it('refuses embeddings of another length, and photos read by another embedder', async () => {
    const labels = ['--labels', file('faces.npy.txt')];
    const short = await run('tune', '--bank', 'blobs', '--embeddings', file('short.npy'), ...labels);
    expect(short.stderr).toContain('FB_EMBEDDING_LENGTH');
    expect(short.code).toBe(1);
  });
});
