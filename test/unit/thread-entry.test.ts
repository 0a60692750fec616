import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const run = promisify(execFile);
const onnx = new URL('../../dist/src/onnx/index.js', import.meta.url).href;

describe('a thread', () => {
  it('starts in a program that was given as text, too', async () => {
    const program = `
      import { InferencePool } from '${onnx}';
      const pool = new InferencePool({ threads: 1 });
      const failure = await pool.load({ name: 'nothing', graph: 'nothing.onnx' }).catch((error) => error);
      console.log(failure.code);
      await pool.close();`;
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program]);
    expect(stdout.trim()).toMatch(/^FB_(MODEL|GRAPH|NETWORK|FILE)/);
  });
});
