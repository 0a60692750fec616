// count.mjs FOLDER FAILED_STEPS: adds up what the runners counted and prints 'N passed, N failed, N skipped'.
// A failed step without a failed test (lint, a crash of a runner) counts as one failure.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [folder, failedSteps] = process.argv.slice(2);
const sum = { passed: 0, failed: 0, skipped: 0 };

const vitest = join(folder, 'vitest.json');
if (existsSync(vitest)) {
  const report = JSON.parse(readFileSync(vitest, 'utf8'));
  sum.passed += report.numPassedTests;
  sum.failed += report.numFailedTests;
  sum.skipped += report.numPendingTests + report.numTodoTests;
}

const unittest = join(folder, 'unittest.txt');
if (existsSync(unittest)) {
  const text = readFileSync(unittest, 'utf8');
  const ran = Number(/^Ran (\d+) tests?/m.exec(text)?.[1] ?? 0);
  const number = (name) => Number(new RegExp(`${name}=(\\d+)`).exec(text)?.[1] ?? 0);
  const failed = number('failures') + number('errors');
  const skipped = number('skipped');
  sum.passed += ran - failed - skipped;
  sum.failed += failed;
  sum.skipped += skipped;
}

if (Number(failedSteps) > 0 && sum.failed === 0) sum.failed = 1;
if (sum.passed === 0 && sum.failed === 0) sum.failed = 1;
console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
process.exit(sum.failed > 0 ? 1 : 0);
