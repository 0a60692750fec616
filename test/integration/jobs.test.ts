import { readFile, writeFile } from 'node:fs/promises';
import { pino } from 'pino';
import { describe, expect } from 'vitest';
import { FileStore, listVersions, showBank } from '../../src/bank/index.js';
import { cancelFlow, enqueueFlow, retryFlow, runLocally, showFlow } from '../../src/jobs/index.js';
import { blobs, jobTest as it } from '../support/jobs.js';
import { hasRedis, needsRedis } from '../support/redis.js';

const ENDED = ['done', 'failed', 'cancelled'] as const;

describe.skipIf(!hasRedis)(needsRedis('a refresh through the queues'), () => {
  it('builds the first version of a bank, the same bytes as without a queue', async ({ turf, ground }) => {
    turf.work();
    const { id, joined } = await enqueueFlow(turf.queues, blobs(ground));
    expect(joined).toBe(false);
    expect(await turf.until(id, ...ENDED)).toMatchObject({
      ...{ status: 'done', version: '000001', epoch: 0 },
      chunks: { done: 3, failed: 0, total: 3 },
    });
    const local = new FileStore(`${ground.folder}/local`);
    await runLocally({ ...turf.services(), store: local }, blobs(ground));
    const [queued, here] = await Promise.all([showBank(turf.store, 'blobs'), showBank(local, 'blobs')]);
    expect(queued).toEqual({ ...here, createdAt: queued.createdAt });
  });

  it('is joined while it waits or runs, and is another one afterwards', async ({ turf, ground }) => {
    const first = await enqueueFlow(turf.queues, blobs(ground));
    expect(await enqueueFlow(turf.queues, blobs(ground))).toEqual({ id: first.id, joined: true });
    turf.work({ serve: ['publish'] });
    await turf.until(first.id, 'generating');
    expect(await enqueueFlow(turf.queues, blobs(ground))).toEqual({ id: first.id, joined: true });
    const other = await enqueueFlow(turf.queues, { ...blobs(ground), bank: 'others' });
    expect(other.joined).toBe(false);
    turf.work({ serve: ['generate'] });
    await Promise.all([first.id, other.id].map((id) => turf.until(id, 'done')));
    const next = await enqueueFlow(turf.queues, blobs(ground));
    expect(next.joined).toBe(false);
    expect(await turf.until(next.id, ...ENDED)).toMatchObject({
      status: 'done',
      version: '000002',
      epoch: 1,
    });
  });

  it('with a chunk that cannot be made fails with the reason, and goes on once that is mended', async ({
    turf,
    ground,
  }) => {
    turf.work({ serve: ['publish'] });
    const { id } = await enqueueFlow(turf.queues, blobs(ground));
    await turf.until(id, 'generating');
    const card = await readFile(ground.cards.generator, 'utf8');
    try {
      // The machine that makes faces has another generator than the one that planned them.
      await writeFile(ground.cards.generator, card.replace('"zDim":16', '"zDim":17'));
      const poisoned = turf.work({ serve: ['generate'] });
      expect((await turf.until(id, ...ENDED)).status).toBe('failed');
      const { reason, chunks, failures } = await showFlow(turf.queues, id);
      expect(reason).toMatch(/^FB_CHUNKS_FAILED: .* 3 chunks .*FB_JOB_NETWORK_DIFFERS/);
      expect(chunks).toEqual({ done: 0, failed: 3, total: 3 });
      expect(failures.map((f) => f.seeds).sort()).toEqual(['0-64', '128-64', '64-64']);
      expect(failures[0]?.reason).toContain('FB_JOB_NETWORK_DIFFERS');
      await poisoned.close(1000);
    } finally {
      await writeFile(ground.cards.generator, card);
    }
    turf.work({ serve: ['generate'] });
    await retryFlow(turf.queues, id);
    expect(await enqueueFlow(turf.queues, blobs(ground))).toEqual({ id, joined: true });
    expect(await turf.until(id, ...ENDED)).toMatchObject({ status: 'done', version: '000001' });
  });

  it('that failed is not tried again while a later one waits', async ({ turf, ground }) => {
    turf.work({ serve: ['publish'] });
    const nowhere = { ...blobs(ground), networks: { ...ground.cards, detector: 'nobody' } };
    const failed = await enqueueFlow(turf.queues, nowhere);
    expect((await turf.until(failed.id, ...ENDED)).reason).toMatch(/^FB_CARD_UNKNOWN/);
    const later = await enqueueFlow(turf.queues, blobs(ground));
    await turf.until(later.id, 'generating');
    await expect(retryFlow(turf.queues, failed.id)).rejects.toMatchObject({
      code: 'FB_JOB_STATE',
      message: expect.stringContaining(later.id),
    });
  });

  it('is cancelled while it waits, and the next one asked for is a new one', async ({ turf, ground }) => {
    const { id } = await enqueueFlow(turf.queues, blobs(ground));
    await cancelFlow(turf.queues, id);
    expect((await turf.view(id)).status).toBe('cancelling');
    const next = await enqueueFlow(turf.queues, blobs(ground));
    expect(next.joined).toBe(false);
    turf.work();
    expect(await turf.until(id, ...ENDED)).toMatchObject({ status: 'cancelled', chunks: { total: 0 } });
    expect((await turf.until(next.id, ...ENDED)).status).toBe('done');
    await expect(cancelFlow(turf.queues, id)).rejects.toMatchObject({ code: 'FB_JOB_STATE' });
  });

  it('is cancelled while its chunks wait, whether anybody makes faces or not; tried again, it is made', async ({
    turf,
    ground,
  }) => {
    turf.work({ serve: ['publish'] });
    const { id } = await enqueueFlow(turf.queues, blobs(ground));
    await turf.until(id, 'generating');
    await cancelFlow(turf.queues, id);
    expect((await turf.until(id, ...ENDED)).status).toBe('cancelled');
    expect(await turf.queues.generate.getJobCounts('waiting', 'delayed', 'active')).toEqual({
      ...{ waiting: 0, delayed: 0, active: 0 },
    });
    expect(await listVersions(turf.store, 'blobs').catch(() => [])).toEqual([]);
    turf.work({ serve: ['generate'] });
    await retryFlow(turf.queues, id);
    expect((await turf.until(id, ...ENDED)).status).toBe('done');
  });

  it('is cancelled while chunks are in hand', async ({ turf, ground }) => {
    turf.work();
    const { id } = await enqueueFlow(turf.queues, blobs(ground, { size: 20_000, chunkSize: 5000 }));
    await turf.until(id, 'generating');
    await expect.poll(() => turf.queues.generate.getActiveCount()).toBeGreaterThan(0);
    await cancelFlow(turf.queues, id);
    expect((await turf.until(id, ...ENDED)).status).toBe('cancelled');
    expect(await turf.queues.generate.getJobCounts('waiting', 'active')).toEqual({ waiting: 0, active: 0 });
  });

  it('is taken up by another worker when one goes, and the first worker hands its chunk back in time', async ({
    turf,
    ground,
  }) => {
    turf.work({ serve: ['publish'] });
    const lines: string[] = [];
    const log = pino({ base: null }, { write: (line) => void lines.push(line) });
    const going = turf.work({ serve: ['generate'], log });
    const { id } = await enqueueFlow(turf.queues, blobs(ground, { size: 3000, chunkSize: 1500 }));
    await expect.poll(() => turf.queues.generate.getActiveCount()).toBeGreaterThan(0);
    const began = Date.now();
    await going.close(0);
    expect(Date.now() - began).toBeLessThan(5000);
    expect(lines.join('')).toContain('handed back');
    expect(await turf.queues.generate.getActiveCount()).toBe(0);
    turf.work({ serve: ['generate'] });
    const end = await turf.until(id, ...ENDED);
    expect(end).toMatchObject({ status: 'done', chunks: { done: 2, failed: 0 } });
  });
});
