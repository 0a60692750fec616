import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/config.js';
import { foilbank, type Outcome } from '../support/cli.js';
import { temporaryFolder } from '../support/networks.js';

const root = packageRoot();
let folder: string;
let demo: Outcome;
beforeAll(async () => {
  folder = await temporaryFolder();
  demo = await foilbank(['demo', '--size', '128', '--out', folder]);
}, 120_000);
afterAll(() => rm(folder, { recursive: true }));

describe('the README', () => {
  it("'s first command builds a bank, compares real photos, and draws", async () => {
    expect(demo.stderr).toContain('bank of 128 virtual faces');
    expect(demo.code).toBe(0);
    const rows = demo.stdout.split('\n').filter((line) => /same person|different people/.test(line));
    expect(rows).toHaveLength(3);
    for (const picture of ['bank.png', 'look-alikes.png'])
      expect((await sharp(await readFile(join(folder, picture))).metadata()).width).toBeGreaterThan(500);
  });

  it("'s program runs as it stands", async () => {
    const shown = /^```ts\n([\s\S]*?)^```/m.exec(readFileSync(join(root, 'README.md'), 'utf8'))![1]!;
    const here = shown
      .replace("'foilbank'", JSON.stringify(pathToFileURL(join(root, 'dist/src/index.js'))))
      .replace("'banks'", JSON.stringify(join(folder, 'banks')))
      .replace("'default'", "'demo'");
    const file = join(folder, 'program.mjs');
    const given = 'const yourEmbeddings = Float32Array.from({ length: 256 }, (_, i) => Math.sin(i * i));';
    await writeFile(file, `${given}\n${here}`);
    const told = execFileSync(process.execPath, [file], { encoding: 'utf8' });
    expect(told).toMatch(/^-?0\.\d+ -?\d+\.\d+ \[/);
    expect(told).toContain('sigma');
  });
});
