import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { foilbank } from '../support/cli.js';
import { temporaryFolder } from '../support/networks.js';
import { tinyArcFace, tinyGenerator, tinyGeneratorCard, writeModel } from '../support/tiny-models.js';

// The steps of docs/bring-your-own.md, with the card that docs/model-cards.md shows.
type Card = Record<string, unknown> & { name: string; input: object };

let folder: string;
let env: Record<string, string>;
let example: Card;
let card: string;
let generator: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  env = { FOILBANK_STORE: join(folder, 'banks') };
  const page = await readFile(fileURLToPath(new URL('../../docs/model-cards.md', import.meta.url)), 'utf8');
  example = JSON.parse(/^```json\n([\s\S]*?)^```/m.exec(page)![1]!) as Card;
  const golden = { golden: { input: 'pattern-1', outputs: { '683': [0] }, tolerance: 0.001 } };
  card = await bring({ ...example, ...golden });
  generator = await writeModel(folder, tinyGenerator(), tinyGeneratorCard);
});
afterAll(() => rm(folder, { recursive: true }));

const run = (...args: string[]) => foilbank(args, { env });
const bring = ({ file: _, sha256: __, ...fields }: Card) => writeModel(folder, tinyArcFace(), fields as Card);

describe('an embedder of your own', () => {
  it('is listed beside the default ones', async () => {
    const { stdout } = await run('--models', folder, 'models', 'list', '--json');
    const models = JSON.parse(stdout) as { name: string; state: string }[];
    expect(models).toContainEqual(expect.objectContaining({ name: example.name, state: 'ready' }));
    expect(models.map(({ name }) => name)).toContain('recogniser');
  });

  it('is proved once its golden output is in the card, and a later slip of colours is caught', async () => {
    expect(await run('models', 'verify', card)).toMatchObject({ code: 1 });
    const { stdout } = await run('models', 'golden', card);
    const proved = { ...example, ...(JSON.parse(stdout) as object) };
    await bring(proved);
    expect(await run('models', 'verify', card)).toMatchObject({ code: 0 });
    await bring({ ...proved, input: { ...proved.input, colour: 'bgr' } });
    const slipped = await run('models', 'verify', card);
    expect(slipped).toMatchObject({ code: 1 });
    expect(slipped.stdout).toMatch(/FB_MODEL_GOLDEN/);
    await bring(proved);
  });

  it('makes a bank that recommends no alignment until somebody measured it, and can be looked at and pinned', async () => {
    const brought = ['--embedder', card, '--generator', generator];
    const any = ['--min-score', '0', '--duplicate-ceiling', '1'];
    expect(await run('bank', 'build', 'own', '--size', '64', ...brought, ...any)).toMatchObject({ code: 0 });
    const shown = await run('bank', 'show', 'own', '--json');
    expect(JSON.parse(shown.stdout)).toMatchObject({ parameters: { operator: 'none/1' } });
    const sheet = join(folder, 'faces.png');
    expect(await run('bank', 'sheet', 'own', '--generator', generator, '--out', sheet)).toMatchObject({
      code: 0,
    });
    expect((await readFile(sheet)).subarray(1, 4).toString()).toBe('PNG');
    expect(await run('bank', 'pin', '000001', 'own')).toMatchObject({ code: 0 });
  });

  it('is built anew with its own networks, not with the default ones', async () => {
    const again = ['bank', 'build', 'own', '--size', '64', '--min-score', '0'];
    const unknown = await run(...again);
    expect(unknown).toMatchObject({ code: 1 });
    expect(unknown.stderr).toMatch(/FB_CARD_UNKNOWN.*tiny-generator/);
    const { code, stderr } = await run('--models', folder, ...again, '--duplicate-ceiling', '1');
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('has these inputs already');
  });
});
