import { execFile } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../support/networks.js';

const run = promisify(execFile);
const program = `
  import { InferencePool } from '${new URL('../../dist/src/onnx/index.js', import.meta.url).href}';
  const pool = new InferencePool({ threads: 1 });
  const failure = await pool.load({ name: 'nothing', graph: 'nothing.onnx' }).catch((error) => error);
  console.log(failure.code);
  await pool.close();`;
const started = /^FB_(MODEL|GRAPH|NETWORK|FILE)/;

describe('a thread', () => {
  it.each([[[]], [['--max-old-space-size=500']]])(
    'starts in a program given as text, with %j too',
    async (options) => {
      const { stdout } = await run(process.execPath, [...options, '--input-type=module', '-e', program]);
      expect(stdout).toMatch(started);
    },
  );

  it('starts in a program whose Node has options that are not for threads', async () => {
    const folder = await temporaryFolder();
    const file = join(folder, 'program.mjs');
    await writeFile(file, program);
    const { stdout } = await run(process.execPath, ['--max-old-space-size=500', '--stack-size=900', file]);
    expect(stdout).toMatch(started);
    await rm(folder, { recursive: true });
  });
});
