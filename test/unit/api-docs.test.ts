import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'foilbank-api-'));
  const env = { ...process.env, PATH: `${join(root, 'node_modules/.bin')}:${process.env.PATH}` };
  for (const args of [['scripts/proto-imports.mjs'], ['scripts/api-docs.mjs', folder]])
    execFileSync(process.execPath, args, { cwd: root, env });
});
afterAll(() => rm(folder, { recursive: true }));

describe('the API pages', () => {
  it.each(['openapi.json', 'api.md'])('docs/%s is what the contract generates', async (file) => {
    const [fresh, kept] = await Promise.all(
      [folder, join(root, 'docs')].map((at) => readFile(join(at, file), 'utf8')),
    );
    expect(kept === fresh, `docs/${file} is another: make proto`).toBe(true);
  });

  it('openapi.json is a valid OpenAPI 3.1 document', async () => {
    const validator = new Validator();
    const told = await validator.validate(JSON.parse(await readFile(join(folder, 'openapi.json'), 'utf8')));
    expect(told).toEqual({ valid: true });
    expect(validator.version).toBe('3.1');
  });
});
