import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bunchedVectors } from '../../bench/support/bunched-vectors.js';
import { FileStore, openBank, publishBank } from '../../src/bank/index.js';
import { formatNpy } from '../../src/vectors/index.js';
import { foilbank, jsonLines } from '../support/cli.js';
import { temporaryFolder } from '../support/networks.js';
import { noise } from '../support/tiny-models.js';
import { draftOf, someCandidates } from '../unit/bank/fixtures.js';

const d = 16;
let folder: string;
let store: FileStore;
let env: Record<string, string>;
const run = (...args: string[]) => foilbank(args, { env });
const ask = (...args: string[]) =>
  run('neighbors', '--bank', 'faces', '--embedding', join(folder, 'faces.npy'), '--json', ...args);

beforeAll(async () => {
  folder = await temporaryFolder();
  store = new FileStore(join(folder, 'banks'));
  env = { FOILBANK_STORE: store.location };
  const table = someCandidates(700, d);
  table.embeddings.set(bunchedVectors({ rows: 700, dimension: d, seed: 1 }).data);
  const draft = draftOf(table);
  await publishBank(store, 'faces', {
    ...draft,
    parameters: { ...draft.parameters, operator: 'standardise/1' },
  });
  const data = new Float32Array(3 * d);
  data.set(bunchedVectors({ rows: 2, dimension: d, seed: 2 }).data);
  data.set(noise(d, 7), 2 * d);
  await writeFile(join(folder, 'faces.npy'), formatNpy({ shape: [3, d], data }));
});
afterAll(() => rm(folder, { recursive: true }));

describe('foilbank learn', () => {
  it('is asked for by name once it was learned; noise is looked up, and both say so', async () => {
    const before = await ask('--estimator', 'learned');
    expect(before.code).toBe(1);
    expect(before.stderr).toContain('FB_LEARNED_ABSENT');
    const { code, stdout, stderr } = await run(
      ...['learn', 'faces', '--lessons', '1000', '--steps', '100', '--json'],
    );
    expect(code, stderr).toBe(0);
    const lines = jsonLines(stdout);
    const steps = lines.filter(({ event }) => event === 'progress').map(({ step }) => step);
    expect([...new Set(steps)]).toEqual(['asking', 'learning']);
    // A pace from the start, not that of a first look.
    for (const { rate } of lines) expect((rate as number | undefined) ?? 0).toBeLessThan(100_000);
    expect(lines.at(-2)).toMatchObject({ done: 100, total: 100, eta: 0 });
    expect(lines.at(-1)).toMatchObject({
      ...{ event: 'published', bank: 'faces', version: '000002' },
      learned: { estimator: 'learned/1', lessons: 1000 },
    });
    expect(stderr).toMatch(/warning.*not calibrated/);
    const answers = JSON.parse((await ask('--estimator', 'learned')).stdout) as Record<string, unknown>[];
    const looked = JSON.parse((await ask()).stdout) as Record<string, unknown>[];
    expect(answers.map(({ estimator, outside }) => [estimator, outside])).toEqual([
      ['learned/1', false],
      ['learned/1', false],
      ['learned/1', true],
    ]);
    expect(answers[2]!.r).toBe(looked[2]!.r);
    expect(answers[0]!.r).not.toBe(looked[0]!.r);
    expect(answers[0]!.neighbors).toEqual(looked[0]!.neighbors);
    expect((await run('bank', 'show', 'faces')).stdout).toMatch(/learned +learned\/1 for K 64/);
    expect((await run('bank', 'verify', 'faces')).code).toBe(0);
  });

  it('interrupted publishes nothing and says so', async () => {
    const { version } = await openBank(store, 'faces');
    const { code, stderr } = await foilbank(['learn', 'faces', '--lessons', '2000'], {
      env,
      onStart: (child) => {
        let said = '';
        child.stderr?.on('data', (text) => {
          // Once: a second one would end it at once.
          if (!said.includes('learning') && `${said}${text}`.includes('learning')) child.kill('SIGINT');
          said += text;
        });
      },
    });
    expect(code).toBe(130);
    expect(stderr).toContain('FB_CANCELLED');
    expect((await openBank(store, 'faces')).version).toBe(version);
  });

  it.each([
    [['learn', 'nowhere'], 1, 'FB_BANK_NOT_FOUND'],
    [['learn', 'faces', '--lessons', '1'], 2, 'whole number from 500'],
    [['neighbors', '--embedding', 'x.npy', '--estimator', 'guess'], 2, 'Allowed choices'],
  ])('refuses %s', async (args, exit, message) => {
    const { code, stderr } = await run(...args);
    expect(code).toBe(exit);
    expect(stderr).toContain(message);
  });
});
