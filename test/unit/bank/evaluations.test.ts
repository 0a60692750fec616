import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  FileStore,
  keepEvaluation,
  keptEvaluations,
  pruneBank,
  publishBank,
  verifyBank,
} from '../../../src/bank/index.js';
import { draftOf, someCandidates, someDirectory } from './fixtures.js';

async function someBank() {
  const directory = await someDirectory();
  const store = new FileStore(directory);
  for (const salt of [1, 2]) await publishBank(store, 'bank', draftOf(someCandidates(6, 8, salt)));
  return { directory, store };
}

const minute = (n: number) => new Date(Date.UTC(2024, 1, 29, 12, n, 0, 250));

describe('evaluations of a version', () => {
  it('are kept beside it and come back newest first, with their times', async () => {
    const { store } = await someBank();
    expect(await keptEvaluations(store, 'bank', '000002', 20)).toEqual([]);
    for (const [i, at] of [3, 1, 2].entries())
      expect(await keepEvaluation(store, 'bank', undefined, { i }, minute(at))).toBe('000002');
    await keepEvaluation(store, 'bank', '000001', { i: 9 });
    expect(await keptEvaluations(store, 'bank', '000002', 20)).toEqual([
      { at: minute(3), document: { i: 0 } },
      { at: minute(2), document: { i: 2 } },
      { at: minute(1), document: { i: 1 } },
    ]);
    expect(await keptEvaluations(store, 'bank', '000002', 1)).toHaveLength(1);
    expect((await verifyBank(store, 'bank')).problems).toEqual([]);
  });

  it('say so when a byte of them was changed, and the others are told all the same', async () => {
    const { directory, store } = await someBank();
    await keepEvaluation(store, 'bank', '000002', { tar: 0.85 }, minute(1));
    await keepEvaluation(store, 'bank', '000002', { tar: 0.84 }, minute(2));
    const [first] = await store.list('bank/evaluations');
    const path = join(directory, first!.key);
    await writeFile(path, (await readFile(path, 'utf8')).replace('0.85', '0.95'));
    await writeFile(join(directory, 'bank/evaluations/000002/notes.txt'), 'mine');
    const [stray, whole, changed] = await keptEvaluations(store, 'bank', '000002', 20);
    expect(stray).toMatchObject({ fault: expect.stringContaining('notes.txt') });
    expect(whole).toEqual({ at: minute(2), document: { tar: 0.84 } });
    expect(changed).toEqual({ at: minute(1), fault: expect.stringContaining('it hashes to') });
    const { problems } = await verifyBank(store, 'bank');
    expect(problems.map(({ file }) => file)).toEqual([first!.key, 'bank/evaluations/000002/notes.txt']);
    expect((await verifyBank(store, 'bank', { version: '000001' })).problems).toEqual([]);
  });

  it('go with their version', async () => {
    const { store } = await someBank();
    await keepEvaluation(store, 'bank', '000001', { i: 1 });
    await keepEvaluation(store, 'bank', '000002', { i: 2 });
    await pruneBank(store, 'bank', { keep: 1 });
    expect((await store.list('bank/evaluations')).map(({ key }) => key)).toEqual([
      expect.stringContaining('bank/evaluations/000002/'),
    ]);
    await expect(keepEvaluation(store, 'bank', '000001', {})).rejects.toMatchObject({
      code: 'FB_BANK_VERSION_REMOVED',
    });
    await expect(keepEvaluation(store, 'bank', '000009', {})).rejects.toMatchObject({
      code: 'FB_BANK_VERSION_NOT_FOUND',
    });
  });
});
