import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cancelFlow, enqueueFlow, listFlows, listSchedules } from '../../src/jobs/index.js';
import { blobs, type JobGround, type JobTurf, openJobGround } from '../support/jobs.js';
import { hasRedis, needsRedis } from '../support/redis.js';
import { WorkerProcess } from '../support/worker-process.js';

const seconds = (since: number) => (Date.now() - since) / 1000;

describe.skipIf(!hasRedis)(needsRedis('a worker process'), { timeout: 90_000 }, () => {
  let ground: JobGround;
  let turf: JobTurf;
  let running: WorkerProcess[];
  beforeEach(async () => {
    ground = await openJobGround();
    turf = await ground.open('process');
    running = [];
  });
  afterEach(async () => {
    for (const process of running) process.signal('SIGKILL');
    await Promise.all(running.map((process) => process.gone));
    await turf.close();
    await ground.close();
  });

  function start(file: 'generate' | 'publish' | 'scheduler', env: Record<string, string> = {}) {
    const process = new WorkerProcess(file, {
      ...{ REDIS_URL: ground.redis.url, FOILBANK_REDIS_PREFIX: '{process}' },
      ...{ FOILBANK_STORE: `${ground.folder}/process`, FOILBANK_CONCURRENCY: '1', ...env },
    });
    running.push(process);
    return process;
  }

  /** A chunk is begun: one that was only fetched is handed back at once by a worker that is told to stop. */
  const chunkInHand = () =>
    expect
      .poll(
        async () => {
          const active = await turf.queues.generate.getActive();
          return active.filter((job) => ((job.progress as { done?: number }).done ?? 0) > 0).length;
        },
        { timeout: 20_000, interval: 20 },
      )
      .toBe(1);
  const counted = async (process: WorkerProcess, name: string) => {
    const text = await (await fetch(`${await process.url()}/metrics`)).text();
    return Number(
      text
        .split('\n')
        .find((line) => line.startsWith(`${name} `))
        ?.split(' ')
        .at(-1),
    );
  };
  const outcome = (queue: string, name: string) => `foilbank_jobs_total{queue="${queue}",outcome="${name}"}`;

  it('finishes on SIGTERM the chunk that it has in hand, takes no other, and exits 0', async () => {
    turf.work({ serve: ['publish'] });
    const worker = start('generate');
    await worker.url();
    const { id } = await enqueueFlow(turf.queues, blobs(ground, { size: 4000, chunkSize: 1000 }));
    await chunkInHand();
    worker.signal('SIGTERM');
    expect(await worker.gone).toBe(0);
    expect(worker.log.filter((l) => l.msg === 'job done').length).toBe(1);
    expect((await turf.view(id)).chunks).toMatchObject({ done: 1, failed: 0, total: 4 });
    expect(await turf.queues.generate.getActiveCount()).toBe(0);
  });

  it('hands it back when the deadline is over, and exits 0', async () => {
    turf.work({ serve: ['publish'] });
    const worker = start('generate', { FOILBANK_SHUTDOWN_SECONDS: '0' });
    await worker.url();
    const { id } = await enqueueFlow(turf.queues, blobs(ground, { size: 8000, chunkSize: 8000 }));
    await chunkInHand();
    const asked = Date.now();
    worker.signal('SIGTERM');
    expect(await worker.gone).toBe(0);
    expect(seconds(asked)).toBeLessThan(5);
    expect(worker.log.map((l) => l.msg)).toContain('handed back');
    expect(await turf.queues.generate.getJobCounts('active', 'waiting', 'failed', 'delayed')).toEqual({
      ...{ active: 0, waiting: 1, failed: 0, delayed: 0 },
    });
    await cancelFlow(turf.queues, id);
  });

  it('that is stopped loses its chunk to another, and does no harm when it goes on', async () => {
    turf.work({ serve: ['publish'] });
    const env = { FOILBANK_LOCK_SECONDS: '1' };
    const stopped = start('generate', env);
    await stopped.url();
    const { id } = await enqueueFlow(turf.queues, blobs(ground, { size: 1500, chunkSize: 1500 }));
    await chunkInHand();
    stopped.signal('SIGSTOP');
    const other = start('generate', env);
    await other.said('job done');
    stopped.signal('SIGCONT');
    expect(await turf.until(id, 'done', 'failed')).toMatchObject({
      ...{ status: 'done', version: '000001', tries: expect.any(Number) },
      chunks: { done: 1, failed: 0, total: 1 },
    });
    expect(await counted(other, 'foilbank_jobs_stalled_total{queue="generate"}')).toBe(1);
    stopped.signal('SIGTERM');
    expect(await stopped.gone).toBe(0);
  });

  it.each([
    ['has just been killed', 'SIGKILL', 0],
    ['has been gone for a while', 'SIGKILL', 1500],
    ['hangs', 'SIGSTOP', 0],
  ] as const)('whose Redis %s ends within its deadline', async (_, signal, wait) => {
    const both = [1, 2].map(() => start('generate', { FOILBANK_SHUTDOWN_SECONDS: '1' }));
    await Promise.all(both.map((worker) => worker.url()));
    const publisher = turf.work({ serve: ['publish'] });
    await enqueueFlow(turf.queues, blobs(ground, { size: 8000, chunkSize: 8000 }));
    // One of them has it in hand, the other none.
    await chunkInHand();
    await publisher.close(5000);
    ground.redis.signal(signal);
    await new Promise((resolve) => setTimeout(resolve, wait));
    const asked = Date.now();
    for (const worker of both) worker.signal('SIGTERM');
    expect(await Promise.all(both.map(({ gone }) => gone))).toEqual([0, 0]);
    // A second for what is in hand, one to ask a Redis that is silent; the rest is for a machine that is busy.
    expect(seconds(asked)).toBeLessThan(1 + 1 + 4);
    if (signal === 'SIGSTOP') ground.redis.signal('SIGCONT');
    else await ground.redis.restart();
  });

  it('tells how it is: /livez, /readyz with reasons, /metrics', async () => {
    const [publisher, worker] = [start('publish'), start('generate')];
    const [home, url] = await Promise.all([publisher.url(), worker.url()]);
    for (const at of [home, url]) {
      expect(await (await fetch(`${at}/livez`)).text()).toBe('ok\n');
      expect(await (await fetch(`${at}/readyz`)).json()).toEqual({ ready: true, reasons: [] });
    }
    expect((await fetch(`${url}/else`)).status).toBe(404);
    const { id } = await enqueueFlow(turf.queues, blobs(ground));
    await turf.until(id, 'done');
    await expect.poll(() => counted(publisher, outcome('publish', 'completed'))).toBe(1);
    expect(await counted(publisher, outcome('publish', 'waiting'))).toBe(1);
    expect(await counted(publisher, 'foilbank_bank_age_seconds{bank="blobs"}')).toBeLessThan(60);
    await expect.poll(() => counted(worker, outcome('generate', 'completed'))).toBe(3);
    expect(await counted(worker, 'foilbank_seeds_total')).toBe(192);
    expect(await counted(worker, 'foilbank_queue_jobs{queue="generate",state="waiting"}')).toBe(0);
    const unwanted = await enqueueFlow(turf.queues, blobs(ground, { size: 8000, chunkSize: 8000 }));
    await chunkInHand();
    await cancelFlow(turf.queues, unwanted.id);
    await turf.until(unwanted.id, 'cancelled');
    expect(await counted(worker, outcome('generate', 'cancelled'))).toBeGreaterThan(0);
    await expect.poll(() => counted(publisher, outcome('publish', 'cancelled'))).toBe(1);
    await ground.redis.kill();
    const unready = await fetch(`${url}/readyz`);
    expect(unready.status).toBe(503);
    expect(await unready.json()).toMatchObject({
      ready: false,
      reasons: [expect.stringMatching(/^Redis: /)],
    });
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    expect((await fetch(`${url}/metrics`)).status).toBe(200);
    await ground.redis.restart();
    await expect.poll(async () => (await fetch(`${url}/readyz`)).status, { timeout: 10_000 }).toBe(200);
  });

  it('that schedules may run twice: one schedule, one refresh; both exit 0', async () => {
    const env = { FOILBANK_REFRESH_BANK: 'blobs', FOILBANK_REFRESH_CRON: '* * * * * *' };
    const both = [start('scheduler', env), start('scheduler', env)];
    await Promise.all(both.map((scheduler) => scheduler.said('schedule set')));
    const [set] = await listSchedules(turf.queues);
    expect(set).toMatchObject({
      bank: 'blobs',
      pattern: '* * * * * *',
      timeZone: 'UTC',
      request: { keep: 7 },
    });
    turf.work({ serve: ['publish'] });
    const dues = () => turf.queues.publish.getCompletedCount();
    await expect.poll(dues, { timeout: 20_000 }).toBeGreaterThanOrEqual(3);
    expect(await listFlows(turf.queues, 10)).toMatchObject([{ bank: 'blobs', status: 'generating' }]);
    for (const scheduler of both) scheduler.signal('SIGTERM');
    expect(await Promise.all(both.map(({ gone }) => gone))).toEqual([0, 0]);
  });

  it('says why it does not start, and exits 1', async () => {
    const unset = start('generate', { REDIS_URL: '' });
    expect(await unset.gone).toBe(1);
    expect(unset.log.at(-1)).toMatchObject({ level: 60, code: 'FB_REDIS_UNSET', remedy: expect.any(String) });
    const wrong = start('scheduler', { FOILBANK_REFRESH_CRON: 'nightly' });
    expect(await wrong.gone).toBe(1);
    expect(wrong.log.at(-1)).toMatchObject({ code: 'FB_SCHEDULE_INVALID' });
    const taken = start('generate', { FOILBANK_MONITOR_PORT: String(ground.redis.port) });
    expect(await taken.gone).toBe(1);
    expect(taken.log.at(-1)).toMatchObject({ code: 'FB_PORT_UNAVAILABLE' });
  });
});
