import { join } from 'node:path';
import { describe, expect, onTestFinished } from 'vitest';
import { errorDetailOf, JobStatus } from '../../src/client.js';
import { enqueueFlow, setSchedule } from '../../src/jobs/index.js';
import { createKey, type ScopeName } from '../../src/service/index.js';
import { blobs, jobTest as it, type JobGround, type JobTurf } from '../support/jobs.js';
import { hasRedis, needsRedis } from '../support/redis.js';
import { type Bench, publishCrowd, startService } from '../support/service.js';

const codeOf = async (call: Promise<unknown>) =>
  errorDetailOf(await call.then(() => undefined).catch((e: unknown) => e))?.code;

/** A service over the same queues. */
async function served(
  ground: JobGround,
  turf: JobTurf,
  keys?: (folder: string) => Promise<string>,
): Promise<Bench> {
  const bench = await startService((store) => publishCrowd(store, 'default', 1), {
    env: { REDIS_URL: ground.redis.url, FOILBANK_REDIS_PREFIX: turf.queues.settings.prefix },
    ...(keys ? { keys } : {}),
  });
  onTestFinished(() => bench.close());
  return bench;
}

describe.skipIf(!hasRedis)(needsRedis('jobs through the service'), () => {
  it('are listed newest first, cancelled and tried again', async ({ ground, turf }) => {
    const { bank } = (await served(ground, turf)).client;
    expect((await bank.listJobs({})).jobs).toEqual([]);
    const first = await enqueueFlow(turf.queues, blobs(ground));
    await new Promise((resolve) => setTimeout(resolve, 5));
    const second = await enqueueFlow(turf.queues, { ...blobs(ground), bank: 'others' });
    const { jobs } = await bank.listJobs({});
    expect(jobs.map(({ id, bank: name, status }) => [id, name, status])).toEqual([
      [second.id, 'others', JobStatus.WAITING],
      [first.id, 'blobs', JobStatus.WAITING],
    ]);
    expect((await bank.listJobs({ limit: 1 })).jobs).toHaveLength(1);
    expect(await codeOf(bank.retryJob({ jobId: first.id }))).toBe('FB_JOB_STATE');
    expect((await bank.cancelJob({ jobId: first.id })).job?.status).toBe(JobStatus.CANCELLING);
    const worker = turf.work({ serve: ['publish'] });
    await turf.until(first.id, 'cancelled');
    await worker.close(5000);
    expect(await codeOf(bank.cancelJob({ jobId: first.id }))).toBe('FB_JOB_STATE');
    expect((await bank.retryJob({ jobId: first.id })).job?.status).toBe(JobStatus.WAITING);
    for (const call of [bank.retryJob({ jobId: 'nobody' }), bank.cancelJob({ jobId: 'nobody' })])
      expect(await codeOf(call)).toBe('FB_JOB_NOT_FOUND');
  });

  it('come by the clock, as the schedules say', async ({ ground, turf }) => {
    const { bank } = (await served(ground, turf)).client;
    expect((await bank.listSchedules({})).schedules).toEqual([]);
    const next = await setSchedule(
      turf.queues,
      { pattern: '30 3 * * *', timeZone: 'Europe/Berlin' },
      blobs(ground),
    );
    const { schedules } = await bank.listSchedules({});
    expect(schedules).toMatchObject([{ bank: 'blobs', pattern: '30 3 * * *', timeZone: 'Europe/Berlin' }]);
    expect(Number(schedules[0]!.nextAt!.seconds)).toBe(Math.floor(next.getTime() / 1000));
  });
});

describe.skipIf(!hasRedis)(needsRedis('the board of the raw queues'), () => {
  it('is for administrators, below the studio, and acts only for its own pages', async ({ ground, turf }) => {
    const tokens: Partial<Record<ScopeName, string>> = {};
    const { service } = await served(ground, turf, async (folder) => {
      const file = join(folder, 'keys.json');
      for (const scope of ['read', 'admin'] as const)
        tokens[scope] = (await createKey(file, { name: scope, scopes: [scope] })).token;
      return file;
    });
    const ask = (path: string, init: RequestInit = {}) => fetch(`${service.url}/studio/${path}`, init);
    const origin = service.url;
    const cookieFor = async (scope: ScopeName) => {
      const headers = { authorization: `Bearer ${tokens[scope]}`, origin };
      const [cookie] = (await ask('session', { method: 'POST', headers })).headers.getSetCookie();
      return cookie!.split(';')[0]!;
    };
    const cookie = await cookieFor('admin');
    expect((await ask('queues/')).status).toBe(401);
    expect((await ask('queues/', { headers: { cookie: await cookieFor('read') } })).status).toBe(403);

    const page = await ask('queues/', { headers: { cookie } });
    expect(page.status).toBe(200);
    const text = await page.text();
    expect(text).toContain('<base href="/studio/queues/"');
    expect(text).not.toContain('https://');
    const policy = page.headers.get('content-security-policy')!;
    expect(policy).toContain("script-src 'self';");
    expect(policy).toContain("default-src 'none'");
    const [, script] = /src="(static\/js\/main[^"]+)"/.exec(text)!;
    const loaded = await ask(`queues/${script}`, { headers: { cookie } });
    expect([loaded.status, loaded.headers.get('x-content-type-options')]).toEqual([200, 'nosniff']);
    expect((await ask('queues/static/../../../package.json', { headers: { cookie } })).status).toBe(404);

    const { id } = await enqueueFlow(turf.queues, blobs(ground));
    const queues = await ask('queues/api/queues?activeQueue=publish&page=1&jobsPerPage=10', {
      headers: { cookie },
    });
    const told = (await queues.json()) as { queues: { name: string; jobs: { id: string }[] }[] };
    expect(told.queues.map(({ name }) => name)).toEqual(['publish', 'generate']);
    expect(told.queues[0]!.jobs.map((job) => job.id)).toEqual([id]);

    const pause = (headers: Record<string, string>) =>
      ask('queues/api/queues/publish/pause', { method: 'PUT', headers: { cookie, ...headers } });
    for (const headers of [{}, { origin: 'https://evil.example' }])
      expect((await pause(headers as Record<string, string>)).status).toBe(403);
    expect(await turf.queues.publish.isPaused()).toBe(false);
    expect((await pause({ origin })).status).toBe(200);
    expect(await turf.queues.publish.isPaused()).toBe(true);
  });
});
