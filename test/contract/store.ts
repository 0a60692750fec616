import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BankStore } from '../../src/bank/index.js';

/** A store under test, and another object that stands for a second process with the same store. */
export interface StoreUnderTest {
  readonly store: BankStore;
  readonly beside: BankStore;
  close(): Promise<void>;
}

/** What every BankStore must do. Each adapter's test calls this with a way to make an empty store. */
export function describeStore(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`store contract: ${name}`, () => {
    let opened: StoreUnderTest;
    let store: BankStore;
    let beside: BankStore;

    beforeEach(async () => {
      opened = await open();
      ({ store, beside } = opened);
    });
    afterEach(() => opened.close());

    const bytes = (text: string) => Buffer.from(text);
    const textOf = async (from: BankStore, key: string): Promise<string | undefined> => {
      const chunks = await from.read(key);
      if (!chunks) return undefined;
      const parts: Uint8Array[] = [];
      for await (const chunk of chunks) parts.push(chunk.slice());
      return Buffer.concat(parts).toString();
    };

    it('gives back what was written, to every process', async () => {
      await store.write('bank/a/b', bytes('one'));
      expect(await textOf(store, 'bank/a/b')).toBe('one');
      expect(await textOf(beside, 'bank/a/b')).toBe('one');
      expect(await store.stat('bank/a/b')).toMatchObject({ key: 'bank/a/b', bytes: 3 });
    });

    it('keeps empty objects', async () => {
      await store.write('bank/empty', bytes(''));
      expect(await textOf(store, 'bank/empty')).toBe('');
      expect((await store.stat('bank/empty'))?.bytes).toBe(0);
    });

    it('says undefined for an object that is not there, also below an object', async () => {
      await store.write('bank/a', bytes('x'));
      for (const key of ['nothing', 'bank/nothing', 'bank/a/b', 'bank']) {
        expect(await store.stat(key), key).toBeUndefined();
        if (key !== 'bank') expect(await textOf(store, key), key).toBeUndefined();
      }
    });

    it('takes a stream, and gives chunks of at most 1 MiB in order', async () => {
      const size = 3 * (1 << 20) + 17;
      const whole = Buffer.alloc(size, 'foilbank');
      async function* pieces() {
        yield whole.subarray(0, 5);
        yield whole.subarray(5, size - 1);
        yield whole.subarray(size - 1);
      }
      await store.write('bank/big', pieces());
      let at = 0;
      for await (const chunk of (await store.read('bank/big')) ?? []) {
        expect(chunk.length).toBeLessThanOrEqual(1 << 20);
        expect(whole.subarray(at, at + chunk.length).equals(chunk)).toBe(true);
        at += chunk.length;
      }
      expect(at).toBe(size);
    });

    it('replaces an object all at once: a reader sees the old bytes or the new ones', async () => {
      const size = 1 << 20;
      const filled = (letter: string) => Buffer.alloc(size, letter);
      await store.write('bank/x', filled('0'));
      let writing = true;
      const writer = (async () => {
        for (const letter of '123456789') await store.write('bank/x', filled(letter));
        writing = false;
      })();
      while (writing) {
        const seen = await textOf(beside, 'bank/x');
        expect(seen?.length).toBe(size);
        expect(seen === seen?.charAt(0).repeat(size)).toBe(true);
      }
      await writer;
    });

    it('leaves the old object and nothing else when the source of a new one fails', async () => {
      await store.write('bank/x', bytes('old'));
      async function* broken() {
        yield bytes('ne');
        throw new Error('the source broke');
      }
      await expect(store.write('bank/x', broken())).rejects.toThrow('the source broke');
      await expect(store.writeNew('bank/y', broken())).rejects.toThrow('the source broke');
      expect(await textOf(store, 'bank/x')).toBe('old');
      expect((await store.list('')).map((o) => o.key)).toEqual(['bank/x']);
    });

    it('lets one of many writers of a new object win, and keeps the winner’s bytes', async () => {
      for (let round = 0; round < 20; round++) {
        const key = `bank/round/${round}`;
        const tries = await Promise.all(
          Array.from({ length: 8 }, (_, i) => (i % 2 ? store : beside).writeNew(key, bytes(`writer ${i}`))),
        );
        const winners = tries.flatMap((won, i) => (won ? [i] : []));
        expect(winners).toHaveLength(1);
        expect(await textOf(store, key)).toBe(`writer ${winners[0]}`);
        expect(await store.writeNew(key, bytes('late'))).toBe(false);
      }
      expect(await store.list('bank/round')).toHaveLength(20);
    });

    it('lists objects below a folder by ascending key, however deep, and no neighbours', async () => {
      for (const key of ['b/2', 'b/10', 'b/c/d/e', 'b-/1', 'ba/1', 'a']) await store.write(key, bytes(key));
      const listed = await store.list('b');
      expect(listed.map((o) => o.key)).toEqual(['b/10', 'b/2', 'b/c/d/e']);
      expect(listed.map((o) => o.bytes)).toEqual([4, 3, 7]);
      expect((await store.list('')).map((o) => o.key)).toEqual([
        'a',
        'b-/1',
        'b/10',
        'b/2',
        'b/c/d/e',
        'ba/1',
      ]);
      expect(await store.list('nothing')).toEqual([]);
    });

    it('says when an object was last written', async () => {
      const before = Date.now() - 2000;
      await store.write('bank/x', bytes('x'));
      const modified = (await store.list('bank'))[0]?.modified.getTime() ?? 0;
      expect(modified).toBeGreaterThan(before);
      expect(modified).toBeLessThan(Date.now() + 2000);
    });

    it('names the folders that hold objects', async () => {
      for (const key of ['b/x', 'a/b/c', 'a/d/e', 'z']) await store.write(key, bytes(key));
      expect(await store.folders('')).toEqual(['a', 'b']);
      expect(await store.folders('a')).toEqual(['b', 'd']);
      expect(await store.folders('b')).toEqual([]);
      await store.remove('b/x');
      expect(await store.folders('')).toEqual(['a']);
    });

    it('removes an object once, and does not mind a second time', async () => {
      await store.write('bank/x', bytes('x'));
      await store.remove('bank/x');
      await store.remove('bank/x');
      expect(await textOf(store, 'bank/x')).toBeUndefined();
      expect(await store.writeNew('bank/x', bytes('again'))).toBe(true);
    });

    it('gives a path at which this machine can read the object', async () => {
      await store.write('bank/x', bytes('on disk'));
      expect(await readFile(await store.localFile('bank/x'), 'utf8')).toBe('on disk');
    });

    it('sweeps without touching objects', async () => {
      await store.write('bank/x', bytes('x'));
      await store.sweep('bank', new Date(Date.now() + 60_000));
      expect((await store.list('')).map((o) => o.key)).toEqual(['bank/x']);
    });
  });
}
