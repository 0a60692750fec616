import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FileStore } from '../../src/bank/index.js';
import { describeStore } from './store.js';

async function openStore() {
  const directory = await mkdtemp(join(tmpdir(), 'foilbank-store-'));
  return {
    directory,
    store: new FileStore(directory),
    beside: new FileStore(directory),
    close: () => rm(directory, { recursive: true, force: true }),
  };
}

describeStore('a directory', openStore);

describe('FileStore', () => {
  it('ignores what killed writers left, and sweeps it once it is old enough', async () => {
    const { directory, store, close } = await openStore();
    await store.write('bank/a/x', Buffer.from('x'));
    const old = join(directory, 'bank/a/.tmp-old');
    await writeFile(old, 'half a fi');
    await utimes(old, 1000, 1000);
    await writeFile(join(directory, 'bank/.tmp-young'), 'half a fi');
    expect((await store.list('')).map((o) => o.key)).toEqual(['bank/a/x']);
    await store.sweep('bank', new Date(Date.now() - 60_000));
    expect(await readdir(join(directory, 'bank/a'))).toEqual(['x']);
    expect(await readdir(join(directory, 'bank'))).toEqual(['.tmp-young', 'a']);
    await close();
  });

  it('refuses a key that leaves its directory', async () => {
    const { store, close } = await openStore();
    for (const key of ['../x', 'a/../../x', '/etc/x', `../${'x'.repeat(5)}`])
      await expect(store.write(key, Buffer.from('x'))).rejects.toThrow('leaves the store');
    await close();
  });

  it('says in codes that its directory cannot be written or is a file', async () => {
    const { directory, close } = await openStore();
    const file = join(directory, 'file');
    await writeFile(file, 'not a directory');
    await expect(new FileStore(file).write('bank/x', Buffer.from('x'))).rejects.toMatchObject({
      code: 'FB_FILE_UNWRITABLE',
    });
    expect(await new FileStore(file).list('')).toEqual([]);
    await close();
  });
});
