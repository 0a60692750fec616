import { describe, expect, it } from 'vitest';
import { FileStore, publishBank } from '../../src/bank/index.js';
import { foilbank } from '../support/cli.js';
import { draftOf, someCandidates, someDirectory } from '../unit/bank/fixtures.js';

describe('the command line', () => {
  it('pins, prunes and lists', async () => {
    const directory = await someDirectory();
    for (let salt = 1; salt <= 4; salt++)
      await publishBank(new FileStore(directory), 'default', draftOf(someCandidates(5, 8, salt)));
    const run = async (...args: string[]) => {
      const { code, stdout, stderr } = await foilbank(['--store', directory, 'bank', ...args, '--json']);
      return { code, stderr, json: stdout === '' ? undefined : (JSON.parse(stdout) as unknown) };
    };
    expect(await run('pin', '000001')).toMatchObject({ code: 0, json: { version: '000001', pinned: true } });
    expect(await run('prune', '--keep', '2')).toMatchObject({
      code: 0,
      json: { bank: 'default', versions: ['000002'], unfinished: [], parts: [] },
    });
    expect((await run('list')).json).toMatchObject([
      { version: '000001', pinned: true, inService: false },
      { version: '000003', pinned: false, inService: false },
      { version: '000004', pinned: false, inService: true },
    ]);
    const refused = await run('rollback', '--to', '000002');
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain('FB_BANK_VERSION_REMOVED');
    expect(await run('unpin', '000001')).toMatchObject({ code: 0, json: { pinned: false } });
    expect((await run('prune', '--keep', '1')).json).toMatchObject({ versions: ['000001', '000003'] });
  }, 60_000);
});
