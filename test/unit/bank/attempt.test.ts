import { cp, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readWhole, sha256Of } from '../../../src/bank/hashing.js';
import {
  type BankDraft,
  type BankStore,
  collectGarbage,
  FileStore,
  openBank,
  publishBank,
  verifyBank,
} from '../../../src/bank/index.js';
import { CREATED, draftOf, someCandidates, someDirectory, someStore } from './fixtures.js';
import { steppingFs } from './stepping-fs.js';

// Tries of one publication: killed, repeated, or at work at the same time, they come to the same bytes.

const attempt = { id: 'refresh-20240229', at: CREATED };
const draft: BankDraft = draftOf(someCandidates(40, 8, 2), {
  files: { 'index.hnsw': Buffer.alloc(3000, 'hnsw'), 'preview.png': Buffer.from('picture') },
});

async function publishedOnce(): Promise<string> {
  const directory = await someDirectory();
  await publishBank(new FileStore(directory), 'bank', draftOf(someCandidates(40)), { createdAt: CREATED });
  return directory;
}

async function copyOf(base: string): Promise<string> {
  const directory = await someDirectory();
  await cp(base, directory, { recursive: true });
  return directory;
}

/** Every object of a store by its hash. */
async function contents(store: BankStore): Promise<Record<string, string>> {
  const all: Record<string, string> = {};
  for (const { key } of await store.list(''))
    all[key] = sha256Of((await readWhole(store, key)) ?? 'not there');
  return all;
}

async function undisturbed(base: string): Promise<Record<string, string>> {
  const store = new FileStore(await copyOf(base));
  expect((await publishBank(store, 'bank', draft, { attempt })).version).toBe('000002');
  return contents(store);
}

/** A file system that stops before its step `at` until it is let go, and then goes on or fails. */
function stopping(at: number) {
  let step = 0;
  let go = (_error?: Error): void => {};
  let reached = (): void => {};
  const stopped = new Promise<void>((resolve) => {
    reached = resolve;
  });
  const released = new Promise<void>((resolve, reject) => {
    go = (error) => (error ? reject(error) : resolve());
  });
  released.catch(() => {});
  const fs = steppingFs(async () => {
    if (++step !== at) return;
    reached();
    await released;
  });
  return { fs, stopped, go };
}

describe('a try that stops before any one step', () => {
  it('and is repeated gives what an undisturbed one gives, whether it then fails or goes on', async () => {
    const base = await publishedOnce();
    const wanted = await undisturbed(base);
    const ends = { absorbed: 0, failed: 0, wentOn: 0 };
    for (let at = 1; ; at++) {
      const directory = await copyOf(base);
      const store = new FileStore(directory);
      const { fs, stopped, go } = stopping(at);
      const first = publishBank(new FileStore(directory, fs), 'bank', draft, { attempt });
      const finished = await Promise.race([first.then(() => true), stopped.then(() => false)]);
      const repeated = await publishBank(store, 'bank', draft, { attempt });
      expect(await contents(store), `step ${at}`).toEqual(wanted);
      if (finished) {
        expect(repeated).toEqual(await first);
        break;
      }
      if (at % 2) {
        go();
        expect(await first, `step ${at}`).toEqual(repeated);
        ends.wentOn += 1;
      } else {
        go(Object.assign(new Error('EIO: injected'), { code: 'EIO' }));
        const outcome: unknown = await first.catch((error: unknown) => error);
        ends[outcome instanceof Error ? 'failed' : 'absorbed'] += 1;
      }
      expect(await contents(store), `step ${at}`).toEqual(wanted);
      await collectGarbage(store, 'bank', new Date(Date.now() + 3_600_000));
      expect(await contents(store), `step ${at}`).toEqual(wanted);
      expect((await verifyBank(store, 'bank')).problems).toEqual([]);
    }
    expect(ends.wentOn).toBeGreaterThan(20);
    expect(ends.failed).toBeGreaterThan(10);
  }, 120_000);

  it('leaves its files to the others when it fails', async () => {
    const store = await someStore();
    const abort = new AbortController();
    const options = { attempt, signal: abort.signal, onFile: () => abort.abort() };
    await expect(publishBank(store, 'bank', draft, options)).rejects.toMatchObject({ code: 'FB_CANCELLED' });
    expect(await store.folders('bank/versions')).toEqual(['000001']);
    expect((await publishBank(store, 'bank', draft, { attempt })).version).toBe('000001');
  });
});

describe('two tries at the same time', () => {
  it('both succeed with the one publication, however their steps fall', async () => {
    const base = await publishedOnce();
    const wanted = await undisturbed(base);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(6), { minLength: 8, maxLength: 40 }), async (pauses) => {
        const directory = await copyOf(base);
        let step = 0;
        const pausing = () =>
          steppingFs(async () => {
            for (let left = pauses[step++ % pauses.length] ?? 0; left > 0; left--)
              await new Promise((resolve) => setImmediate(resolve));
          });
        const tries = await Promise.all(
          [1, 2].map(() => publishBank(new FileStore(directory, pausing()), 'bank', draft, { attempt })),
        );
        expect(tries[0]).toEqual(tries[1]);
        expect(await contents(new FileStore(directory))).toEqual(wanted);
      }),
      { numRuns: 60 },
    );
  }, 120_000);

  it('with different bytes publish one whole version', async () => {
    const other = { ...draft, candidates: someCandidates(40, 8, 3) };
    const { fs, stopped, go } = stopping(60);
    const directory = await publishedOnce();
    const store = new FileStore(directory);
    const first = publishBank(new FileStore(directory, fs), 'bank', draft, { attempt });
    await stopped;
    expect(await store.folders('bank/versions')).toEqual(['000001', '000002']);
    const second = await publishBank(store, 'bank', other, { attempt });
    expect(second.version).toBe('000003');
    go();
    expect(await first).toEqual(second);
    expect((await openBank(store, 'bank')).version).toBe('000003');
    expect((await verifyBank(store, 'bank')).problems).toEqual([]);
    expect(await store.list('bank/published')).toHaveLength(2);
  });
});

describe('an attempt', () => {
  it('is done for good, also when later versions followed and its draft changed', async () => {
    const store = await someStore();
    const manifest = await publishBank(store, 'bank', draft, { attempt });
    expect(manifest.createdAt).toBe(CREATED.toISOString());
    await publishBank(store, 'bank', draftOf(someCandidates(5)));
    expect(await publishBank(store, 'bank', draftOf(someCandidates(6)), { attempt })).toEqual(manifest);
    expect((await openBank(store, 'bank')).version).toBe('000002');
  });

  it('with another id is another publication', async () => {
    const store = await someStore();
    for (const id of ['a', 'b', 'c'])
      await publishBank(store, 'bank', draft, { attempt: { ...attempt, id } });
    expect((await openBank(store, 'bank')).version).toBe('000003');
  });

  it('takes a new number when what it began is so old that it may be collected', async () => {
    const directory = await someDirectory();
    const store = new FileStore(directory);
    await expect(
      publishBank(store, 'bank', draft, { attempt, signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({ code: 'FB_CANCELLED' });
    const old = new Date(Date.now() - 13 * 3_600_000);
    await utimes(join(directory, 'bank/claims/000001'), old, old);
    expect((await publishBank(store, 'bank', draft, { attempt })).version).toBe('000002');
  });

  it.each(['', 'two words', 'ä', 'x'.repeat(257)])('refuses the id %j', async (id) => {
    await expect(
      publishBank(await someStore(), 'bank', draft, { attempt: { id, at: CREATED } }),
    ).rejects.toMatchObject({ code: 'FB_OPTION_INVALID' });
  });
});
