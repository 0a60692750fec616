import { type ChildProcess, execFileSync, fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { cp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  type BankDraft,
  collectGarbage,
  FileStore,
  openBank,
  publishBank,
  verifyBank,
} from '../../../src/bank/index.js';
import { FoilbankError } from '../../../src/errors.js';
import { draftOf, hashOf, someCandidates, someDirectory } from './fixtures.js';
import { steppingFs } from './stepping-fs.js';

// Whatever happens while a version is published, the bank opens, is whole, and holds the old version or the new one.

const FUTURE = new Date(Date.now() + 3_600_000);

/** A draft whose epoch says which candidates and which index it must be found with. */
function draftOfEpoch(epoch: number): BankDraft {
  const draft = draftOf(someCandidates(40, 8, epoch));
  const { inputs } = draft;
  return {
    ...draft,
    inputs: { ...inputs, seeds: { ...inputs.seeds, epoch } },
    files: { 'index.hnsw': Buffer.alloc(20_000, `index ${epoch}`) },
  };
}

/** Opens the bank with a sound store, checks all of it, and says the epoch and the version. */
async function epochInService(directory: string): Promise<{ epoch: number; version: string }> {
  const store = new FileStore(directory);
  const { manifest, candidates, localFile, version } = await openBank(store, 'bank');
  const { epoch } = manifest.inputs.seeds;
  expect(hashOf(candidates)).toBe(hashOf(someCandidates(40, 8, epoch)));
  expect(await localFile('index.hnsw')).toBeDefined();
  expect((await verifyBank(store, 'bank', { version })).problems).toEqual([]);
  return { epoch, version };
}

async function publishedOnce(): Promise<string> {
  const directory = await someDirectory();
  await publishBank(new FileStore(directory), 'bank', draftOfEpoch(1));
  return directory;
}

async function copyOf(base: string): Promise<string> {
  const directory = await someDirectory();
  await cp(base, directory, { recursive: true });
  return directory;
}

/** After garbage collection there is no temporary file and no version that was never in service. */
async function expectClean(directory: string): Promise<void> {
  const store = new FileStore(directory);
  await collectGarbage(store, 'bank', FUTURE);
  const names = await readdir(directory, { recursive: true });
  expect(names.filter((name) => basename(name).startsWith('.'))).toEqual([]);
  const { versions, problems } = await verifyBank(store, 'bank');
  expect(problems).toEqual([]);
  expect(await store.folders('bank/versions')).toEqual([...versions].sort());
}

async function expectPublishable(directory: string): Promise<void> {
  const { version } = await publishBank(new FileStore(directory), 'bank', draftOfEpoch(99));
  expect(await epochInService(directory)).toEqual({ epoch: 99, version });
}

describe('a publication', () => {
  it('whose file system fails at any one step ends in a code, and the bank is whole', async () => {
    const base = await publishedOnce();
    const outcomes = new Set<string>();
    for (let failAt = 1; ; failAt++) {
      const directory = await copyOf(base);
      const errno = failAt % 2 ? 'ENOSPC' : 'EIO';
      let step = 0;
      const fs = steppingFs(() => {
        if (++step === failAt) throw Object.assign(new Error(`${errno}: injected`), { code: errno });
      });
      const outcome = await publishBank(new FileStore(directory, fs), 'bank', draftOfEpoch(2)).catch(
        (e) => e,
      );
      const { epoch } = await epochInService(directory);
      if (outcome instanceof Error) {
        expect(outcome, `step ${failAt}`).toBeInstanceOf(FoilbankError);
        outcomes.add((outcome as FoilbankError).code);
        expect([1, 2]).toContain(epoch);
      } else expect(epoch, `step ${failAt}`).toBe(2);
      await expectClean(directory);
      if (failAt % 4 === 0) await expectPublishable(directory);
      if (step < failAt) break;
    }
    expect([...outcomes].sort()).toEqual(['FB_FILE_UNREADABLE', 'FB_FILE_UNWRITABLE', 'FB_STORE_FULL']);
  }, 120_000);

  it('that stops for ever before any one step leaves a whole bank', async () => {
    const base = await publishedOnce();
    const seen = { old: 0, new: 0 };
    for (let stopAt = 1; ; stopAt++) {
      const directory = await copyOf(base);
      let step = 0;
      let release = (): void => {};
      const released = new Promise<void>((resolve) => {
        release = resolve;
      });
      let publication: Promise<unknown> = Promise.resolve();
      const finished = await new Promise<boolean>((resolve) => {
        const fs = steppingFs(async () => {
          if (++step < stopAt) return;
          resolve(false);
          await released;
          throw new Error('let go');
        });
        publication = publishBank(new FileStore(directory, fs), 'bank', draftOfEpoch(2)).then(
          () => resolve(true),
          () => {},
        );
      });
      const { epoch } = await epochInService(directory);
      await expectClean(directory);
      if (stopAt % 4 === 0) await expectPublishable(directory);
      // Only so that the test keeps no open file: the bank was judged before.
      release();
      await publication;
      seen[epoch === 2 ? 'new' : 'old'] += 1;
      if (!finished) continue;
      expect(epoch).toBe(2);
      break;
    }
    expect(seen.old).toBeGreaterThan(20);
    expect(seen.new).toBeGreaterThan(2);
  }, 120_000);
});

function startPublisher(directory: string): ChildProcess {
  const script = fileURLToPath(new URL('./publisher.mjs', import.meta.url));
  const child = fork(script, [directory], { serialization: 'advanced' });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return child;
}

/** Shared memory cannot be sent to another process. */
const sendable = (draft: BankDraft): BankDraft => ({
  ...draft,
  candidates: { ...draft.candidates, embeddings: Float32Array.from(draft.candidates.embeddings) },
});

describe('a publisher that is killed', () => {
  const SEED = Number(process.env.FOILBANK_CRASH_SEED ?? 20240229);
  it(`at 20 random moments leaves a whole bank (FOILBANK_CRASH_SEED=${SEED})`, async () => {
    const directory = await publishedOnce();
    let state = SEED;
    const random = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
    let epoch = 1;
    for (let round = 0; round < 20; round++) {
      const child = startPublisher(directory);
      let announced = 0;
      child.on('message', (message: { version?: string }) => {
        announced = Math.max(announced, Number(message.version ?? 0));
      });
      await once(child, 'message');
      child.send(Array.from({ length: 50 }, (_, i) => sendable(draftOfEpoch(epoch + 1 + i))));
      // A number of publications, then a moment: however busy the machine is, the kill lands inside one.
      for (let left = Math.floor(4 * random()); left > 0; left--) await once(child, 'message');
      await new Promise((resolve) => setTimeout(resolve, 60 * random()));
      child.kill('SIGKILL');
      await once(child, 'exit');
      const found = await epochInService(directory);
      expect(found.epoch, `round ${round}`).toBeGreaterThanOrEqual(epoch);
      expect(Number(found.version), `round ${round}`).toBeGreaterThanOrEqual(announced);
      epoch = found.epoch;
    }
    expect(epoch).toBeGreaterThan(10);
    await expectClean(directory);
    await expectPublishable(directory);
  }, 240_000);
});

const mountable = ((): boolean => {
  const directory = mkdtempSync(join(tmpdir(), 'foilbank-mount-'));
  const mounts = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory]).status === 0;
  if (mounts) spawnSync('umount', [directory]);
  rmdirSync(directory);
  return mounts;
})();
const title = mountable
  ? 'a store on a full disk'
  : 'a store on a full disk (SKIPPED: this user may not mount a small tmpfs)';

describe.skipIf(!mountable)(title, () => {
  it('ends in FB_STORE_FULL with the old version in service, and goes on once there is space', async () => {
    const directory = await someDirectory();
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', directory]);
    onTestFinished(() => {
      execFileSync('umount', [directory]);
    });
    const store = new FileStore(directory);
    await publishBank(store, 'bank', draftOfEpoch(1));
    const large = { ...draftOfEpoch(2), files: { 'index.hnsw': Buffer.alloc(400_000, 'x') } };
    await expect(publishBank(store, 'bank', large)).rejects.toMatchObject({
      code: 'FB_STORE_FULL',
      retryable: true,
    });
    expect(await epochInService(directory)).toEqual({ epoch: 1, version: '000001' });
    execFileSync('mount', ['-o', 'remount,size=2m', directory]);
    await publishBank(store, 'bank', draftOfEpoch(2));
    expect((await epochInService(directory)).epoch).toBe(2);
    await expectClean(directory);
    await expectPublishable(directory);
  });
});
