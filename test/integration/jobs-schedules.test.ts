import { pino } from 'pino';
import { describe, expect } from 'vitest';
import { listFlows, listSchedules, removeSchedule, setSchedule, tendSchedule } from '../../src/jobs/index.js';
import { PAYLOAD_VERSION } from '../../src/jobs/payloads.js';
import { blobs, jobTest as it, type JobTurf } from '../support/jobs.js';
import { hasRedis, needsRedis } from '../support/redis.js';

/** Six fields: this one is due every second. */
const SECONDLY = { pattern: '* * * * * *', timeZone: 'UTC' };
const NIGHTLY = { pattern: '30 3 * * *', timeZone: 'Europe/Berlin' };

describe.skipIf(!hasRedis)(needsRedis('a scheduled refresh'), { timeout: 90_000 }, () => {
  /** Times at which a schedule came due and was dealt with. */
  const dues = async (turf: JobTurf) =>
    (await turf.queues.publish.getCompleted()).filter((job) => job.name === 'due');

  it('is set, listed, replaced and removed', async ({ turf, ground }) => {
    const next = await setSchedule(turf.queues, NIGHTLY, {
      bank: 'blobs',
      networks: {},
      options: {},
      keep: 3,
    });
    const clock = new Intl.DateTimeFormat('en-GB', { timeStyle: 'short', timeZone: 'Europe/Berlin' });
    expect(clock.format(next)).toBe('03:30');
    expect(await listSchedules(turf.queues)).toEqual([
      {
        ...NIGHTLY,
        bank: 'blobs',
        next,
        request: { version: 1, bank: 'blobs', networks: {}, options: {}, keep: 3 },
      },
    ]);
    await setSchedule(turf.queues, { ...NIGHTLY, pattern: '0 4 * * 1' }, blobs(ground));
    await setSchedule(turf.queues, NIGHTLY, { ...blobs(ground), bank: 'others' });
    expect((await listSchedules(turf.queues)).map((s) => [s.bank, s.pattern]).sort()).toEqual([
      ['blobs', '0 4 * * 1'],
      ['others', '30 3 * * *'],
    ]);
    await removeSchedule(turf.queues, 'blobs');
    expect((await listSchedules(turf.queues)).map((s) => s.bank)).toEqual(['others']);
    await expect(removeSchedule(turf.queues, 'blobs')).rejects.toMatchObject({
      code: 'FB_SCHEDULE_NOT_FOUND',
    });
  });

  it('that a newer release set is listed as such, beside the others, and can be replaced or removed', async ({
    turf,
  }) => {
    const request = { networks: {}, options: {} };
    await setSchedule(turf.queues, NIGHTLY, { ...request, bank: 'ours' });
    const newer = { ...request, version: PAYLOAD_VERSION + 1, bank: 'theirs', colour: 'blue' };
    for (const bank of ['theirs', 'unwanted'])
      await turf.queues.publish.upsertJobScheduler(
        `refresh-${bank}`,
        { pattern: '0 5 * * *', tz: 'Asia/Tokyo' },
        { name: 'due', data: { ...newer, bank } as never },
      );
    const listed = await listSchedules(turf.queues);
    expect(listed.map(({ bank, problem }) => [bank, problem?.code]).sort()).toEqual([
      ['ours', undefined],
      ['theirs', 'FB_JOB_NEWER'],
      ['unwanted', 'FB_JOB_NEWER'],
    ]);
    const theirs = listed.find(({ bank }) => bank === 'theirs');
    expect(theirs).toMatchObject({ pattern: '0 5 * * *', timeZone: 'Asia/Tokyo', next: expect.any(Date) });
    expect(theirs?.request).toBeUndefined();
    await setSchedule(turf.queues, NIGHTLY, { ...request, bank: 'theirs' });
    await removeSchedule(turf.queues, 'unwanted');
    expect((await listSchedules(turf.queues)).map((s) => s.problem)).toEqual([undefined, undefined]);
  });

  it.for([
    ['an hour that no day has', { ...NIGHTLY, pattern: '0 25 * * *' }, /25/],
    ['words', { ...NIGHTLY, pattern: 'every night at half past three' }, /half past three/],
    ['too few fields', { ...NIGHTLY, pattern: '0 3' }, /five or six fields/],
    ['a day that no month has', { ...NIGHTLY, pattern: '0 0 31 2 *' }, /day of month/],
    ['a time zone of nowhere', { ...NIGHTLY, timeZone: 'Europe/Atlantis' }, /no time zone has this name/],
  ] as const)('with %s is refused', async ([, schedule, reason], { turf, ground }) => {
    await expect(setSchedule(turf.queues, schedule, blobs(ground))).rejects.toMatchObject({
      code: 'FB_SCHEDULE_INVALID',
      message: expect.stringMatching(reason),
    });
    expect(await listSchedules(turf.queues)).toEqual([]);
  });

  it('set by two schedulers at once is one schedule and runs as one refresh', async ({ turf, ground }) => {
    const other = await ground.open(turf.name);
    const stop = new AbortController();
    const log = pino({ level: 'silent' });
    const tending = [turf, other].map(({ queues }) =>
      tendSchedule({
        ...{ queues, log, signal: stop.signal, schedule: SECONDLY, request: blobs(ground), every: 200 },
      }),
    );
    await expect.poll(async () => (await listSchedules(turf.queues)).length).toBe(1);
    // Only the planning is served, so the first refresh still runs whenever the next one is due.
    turf.work({ serve: ['publish'] });
    await expect.poll(async () => (await dues(turf)).length, { timeout: 15_000 }).toBeGreaterThanOrEqual(3);
    stop.abort();
    await Promise.all(tending);
    await removeSchedule(turf.queues, 'blobs');
    const all = await dues(turf);
    // An id ends with the time that the job was due: no second comes twice, though two processes set the schedule.
    const times = all.map((job) => Math.floor(Number(job.id?.split(':').at(-1)) / 1000));
    expect(new Set(times).size).toBe(all.length);
    const answers = all.map((job) => job.returnvalue as unknown as { id: string; joined: boolean });
    expect(answers.filter(({ joined }) => !joined)).toHaveLength(1);
    expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
    expect(await listFlows(turf.queues, 10)).toMatchObject([{ id: answers[0]?.id, status: 'generating' }]);
    turf.work({ serve: ['generate'] });
    expect(await turf.until(answers[0]?.id as string, 'done', 'failed')).toMatchObject({
      ...{ status: 'done', version: '000001', epoch: 0 },
    });
    await other.close();
  });

  it('that was done runs again when it is due again', async ({ turf, ground }) => {
    turf.work();
    await setSchedule(turf.queues, SECONDLY, blobs(ground));
    const versions = async () =>
      (await listFlows(turf.queues, 50)).filter((v) => v.status === 'done').map((v) => v.version);
    await expect.poll(versions, { timeout: 25_000 }).toEqual(expect.arrayContaining(['000001', '000002']));
    await removeSchedule(turf.queues, 'blobs');
    const running = (await listFlows(turf.queues, 50)).filter((v) => v.status !== 'done');
    expect(running.length).toBeLessThanOrEqual(1);
    for (const { id } of running) await turf.until(id, 'done', 'failed');
    const made = await versions();
    expect(new Set(made).size).toBe(made.length);
  });

  it('is set again by its scheduler when somebody changed or removed it', async ({ turf, ground }) => {
    const stop = new AbortController();
    const said: string[] = [];
    const log = pino({}, { write: (line) => void said.push(JSON.parse(line).why) });
    const tending = tendSchedule({
      ...{
        queues: turf.queues,
        log,
        signal: stop.signal,
        schedule: NIGHTLY,
        request: blobs(ground),
        every: 50,
      },
    });
    const now = async () => (await listSchedules(turf.queues)).map((s) => s.pattern);
    await expect.poll(now).toEqual(['30 3 * * *']);
    await removeSchedule(turf.queues, 'blobs');
    await expect.poll(now).toEqual(['30 3 * * *']);
    await setSchedule(turf.queues, { ...NIGHTLY, pattern: '0 4 * * *' }, blobs(ground));
    await expect.poll(now).toEqual(['30 3 * * *']);
    stop.abort();
    await tending;
    expect(said).toEqual(['start', 'it was gone', 'it differed']);
  });

  it('that stopped firing is set again, and the refresh that was missed is in the queue, once', async ({
    turf,
    ground,
  }) => {
    const { queues } = turf;
    const stop = new AbortController();
    const said: string[] = [];
    const log = pino({}, { write: (line) => void said.push(JSON.parse(line).why) });
    const other = await ground.open(turf.name);
    const tending = [turf, other].map((each) =>
      tendSchedule({
        ...{
          queues: each.queues,
          log,
          signal: stop.signal,
          schedule: NIGHTLY,
          request: blobs(ground),
          every: 50,
        },
      }),
    );
    await expect.poll(() => said.length).toBe(2);
    // As BullMQ leaves it: its hour is over, and no job waits for it.
    const key = queues.publish.toKey('repeat');
    await queues.settings.connection.zadd(key, Date.now() - 11 * 60_000, 'refresh-blobs');
    for (const job of await queues.publish.getDelayed()) await job.remove();
    await expect.poll(() => listFlows(queues, 10)).toMatchObject([{ bank: 'blobs', status: 'waiting' }]);
    await expect
      .poll(async () => (await listSchedules(queues))[0]?.next?.getTime())
      .toBeGreaterThan(Date.now());
    stop.abort();
    await Promise.all(tending);
    await other.close();
    expect(said).toContain('it had stopped');
    expect(await listFlows(queues, 10)).toHaveLength(1);
  });
});
