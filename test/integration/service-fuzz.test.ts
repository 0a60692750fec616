import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const script = fileURLToPath(new URL('../../scripts/fuzz-service.mjs', import.meta.url));

it('a slice of the fuzz run: no crash, no defect, no answer to a key of another scope', () => {
  const told = execFileSync(process.execPath, [script, '600', '3'], { encoding: 'utf8', stdio: 'pipe' });
  const { answered, succeeded, wrongScope } = JSON.parse(told) as Record<string, number>;
  expect(answered).toBeGreaterThan(540);
  expect(succeeded).toBeGreaterThan(0);
  expect(wrongScope).toBe(0);
}, 120_000);
