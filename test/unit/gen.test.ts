import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const bin = join(root, 'node_modules/.bin');

it('src/gen is what the contract generates', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'foilbank-gen-'));
  const run = (command: string, ...args: string[]) =>
    execFileSync(command, args, { cwd: root, env: { ...process.env, PATH: `${bin}:${process.env.PATH}` } });
  run(process.execPath, 'scripts/proto-imports.mjs');
  run('buf', 'generate', '--output', folder);
  const generated = (await readdir(join(folder, 'src/gen'), { recursive: true })).filter((f) =>
    f.endsWith('.ts'),
  );
  expect(generated.length).toBeGreaterThan(5);
  for (const file of generated) {
    const [fresh, kept] = await Promise.all(
      [folder, root].map((at) => readFile(join(at, 'src/gen', file), 'utf8')),
    );
    expect(kept === fresh, `${file} is another: make proto`).toBe(true);
  }
  await rm(folder, { recursive: true });
});
