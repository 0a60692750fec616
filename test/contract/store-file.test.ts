import { mkdir, mkdtemp, readdir, rename, rm, utimes, writeFile } from 'node:fs/promises';
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

  it('whose drive is not mounted any more is unreachable, not empty, and takes no writes', async () => {
    const { directory, store, beside, close } = await openStore();
    await store.write('bank/a/x', Buffer.from('x'));
    // One that only ever read.
    expect(await beside.stat('bank/nothing')).toBeUndefined();
    const away = `${directory}.away`;
    await rename(directory, away);
    const calls: Record<string, (from: FileStore) => Promise<unknown>> = {
      read: (from) => from.read('bank/a/x'),
      stat: (from) => from.stat('bank/a/x'),
      list: (from) => from.list('bank'),
      'list all': (from) => from.list(''),
      folders: (from) => from.folders(''),
      'folders of a bank': (from) => from.folders('bank'),
      write: (from) => from.write('bank/a/y', Buffer.from('y')),
      'write new': (from) => from.writeNew('bank/a/y', Buffer.from('y')),
      remove: (from) => from.remove('bank/a/x'),
      sweep: (from) => from.sweep('bank', new Date()),
    };
    const mountPoints = [
      async () => {},
      () => mkdir(directory),
      () => writeFile(join(directory, '.keep'), ''),
    ];
    for (const make of mountPoints) {
      await make();
      for (const from of [store, beside])
        for (const [name, call] of Object.entries(calls))
          await expect(call(from), name).rejects.toMatchObject({
            code: 'FB_STORE_UNREACHABLE',
            retryable: true,
            message: expect.stringContaining(directory),
          });
    }
    expect(await readdir(directory)).toEqual(['.keep']);
    await rm(directory, { recursive: true });
    await rename(away, directory);
    for (const from of [store, beside]) expect((await from.list('')).map((o) => o.key)).toEqual(['bank/a/x']);
    await close();
  });

  it('that is not there yet is empty, and is made by the first write', async () => {
    const { directory, close } = await openStore();
    const store = new FileStore(join(directory, 'to', 'be'));
    expect(await store.list('')).toEqual([]);
    expect(await store.stat('bank/x')).toBeUndefined();
    await store.remove('bank/x');
    await store.write('bank/x', Buffer.from('x'));
    expect((await store.list('')).map((o) => o.key)).toEqual(['bank/x']);
    await close();
  });
});
