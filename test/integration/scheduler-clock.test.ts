import { afterEach, beforeEach, describe, expect } from 'vitest';
import { listFlows, listSchedules } from '../../src/jobs/index.js';
import { type JobTurf, jobTest } from '../support/jobs.js';
import { hasRedis, needsRedis } from '../support/redis.js';
import { WorkerProcess } from '../support/worker-process.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const ZONE = 'America/New_York';

/** The clock on the wall there. */
const wall = new Intl.DateTimeFormat('en-GB', { timeStyle: 'short', timeZone: ZONE });

describe.skipIf(!hasRedis)(needsRedis('the schedule of a bank'), { timeout: 60_000 }, () => {
  let running: WorkerProcess[] = [];
  beforeEach(() => {
    running = [];
  });
  afterEach(async () => {
    for (const process of running) process.signal('SIGKILL');
    await Promise.all(running.map(({ gone }) => gone));
  });
  type Start = (file: ConstructorParameters<typeof WorkerProcess>[0], clock?: number) => WorkerProcess;
  const it = jobTest.extend(
    'start',
    ({ ground, turf }): Start =>
      (file, clock) => {
        const env = {
          ...{ REDIS_URL: ground.redis.url, FOILBANK_REDIS_PREFIX: `{${turf.name}}` },
          ...{ FOILBANK_STORE: turf.store.location, FOILBANK_REFRESH_BANK: 'blobs' },
          ...{ FOILBANK_REFRESH_CRON: '30 3 * * *', FOILBANK_REFRESH_TZ: ZONE },
        };
        const process = new WorkerProcess(file, env, clock);
        running.push(process);
        return process;
      },
  );
  const nextOf = async ({ queues }: JobTurf) => (await listSchedules(queues))[0]?.next ?? new Date(0);
  /** The next run is the first one from now on that pattern and time zone allow, by the true clock. */
  async function isRight(turf: JobTurf): Promise<boolean> {
    const next = await nextOf(turf);
    const left = next.getTime() - Date.now();
    // A day on which clocks are put back has 25 hours.
    return wall.format(next) === '03:30' && left > 0 && left <= 25 * HOUR;
  }

  it('stays as it is while the clock of its scheduler is wrong, and that is told', async ({
    turf,
    start,
  }) => {
    const scheduler = start('quickScheduler', 0);
    await scheduler.said('schedule set');
    expect(await isRight(turf)).toBe(true);
    for (const days of [4, -4]) {
      const before = scheduler.log.length;
      await scheduler.moveClock(days * DAY);
      await expect
        .poll(() => scheduler.log.slice(before).find((line) => line.level === 40), { timeout: 10_000 })
        .toMatchObject({ secondsAhead: days * 24 * 3600, remedy: expect.stringContaining('NTP') });
      expect(await isRight(turf)).toBe(true);
    }
    await scheduler.moveClock(0);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(scheduler.log.filter((line) => line.msg === 'schedule set')).toHaveLength(1);
    expect(await listFlows(turf.queues, 10)).toEqual([]);
  });

  it.for([4, -4])(
    'set by a clock that was %d days off is put right once the clock is',
    async (days, { turf, start }) => {
      const scheduler = start('quickScheduler', days * DAY);
      await scheduler.said('schedule set');
      expect(Math.abs((await nextOf(turf)).getTime() - Date.now() - days * DAY)).toBeLessThan(25 * HOUR);
      await scheduler.moveClock(0);
      await expect.poll(() => isRight(turf), { timeout: 10_000 }).toBe(true);
      expect((await listFlows(turf.queues, 10)).length).toBeLessThanOrEqual(1);
    },
  );

  it('set by a clock that was wrong is put right by a start anew', async ({ turf, start }) => {
    await start('scheduler', 4 * DAY).said('schedule set');
    expect(await isRight(turf)).toBe(false);
    running[0]?.signal('SIGKILL');
    await running[0]?.gone;
    await start('scheduler').said('schedule set');
    expect(await isRight(turf)).toBe(true);
  });

  it('that a worker deals with too early, by a clock ahead, comes once for every hour, and goes on after those', async ({
    turf,
    start,
  }) => {
    await start('quickScheduler').said('schedule set');
    const first = await nextOf(turf);
    const early = start('publish', 2 * DAY);
    const dealtWith = async () =>
      (await turf.queues.publish.getCompleted()).map(({ id }) => Number(id?.split(':').at(-1)));
    await expect.poll(dealtWith, { timeout: 15_000 }).toContain(first.getTime());
    // The scheduler looks ten times a second, and the worker is there to take whatever it sets.
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const done = await dealtWith();
    expect(done.length).toBeLessThanOrEqual(2);
    early.signal('SIGKILL');
    const next = await nextOf(turf);
    expect(wall.format(next)).toBe('03:30');
    expect(next.getTime() - Math.max(...done)).toBeGreaterThan(0);
    expect(next.getTime() - Math.max(...done)).toBeLessThanOrEqual(25 * HOUR);
    expect(await turf.queues.publish.getDelayedCount()).toBe(1);
  });
});
