import { describe, expect } from 'vitest';
import { listFlows, retryFlow, showFlow } from '../../src/jobs/index.js';
import { PAYLOAD_VERSION } from '../../src/jobs/payloads.js';
import { flowOf } from '../../src/jobs/queues.js';
import { blobs, type JobGround, type JobTurf, jobTest } from '../support/jobs.js';
import { hasRedis, needsRedis } from '../support/redis.js';

const fingerprint = { card: 'nobody', fingerprint: 'none' };
const networks = {
  ...{ generator: fingerprint, embedder: fingerprint },
  ...{ detector: fingerprint, landmarks: fingerprint },
};
const chunk = {
  ...{ version: PAYLOAD_VERSION, bank: 'blobs', networks },
  options: { psi: 1, firstSeed: 0, chunkSize: 64, minimumScore: 0, duplicateCeiling: 1 },
};

describe.skipIf(!hasRedis)(needsRedis('a job that a worker cannot read'), () => {
  const it = jobTest.extend('worker', { auto: true }, ({ turf }) => turf.work());

  /** Puts a job into a queue as another program might, and waits for its end. */
  async function put(turf: JobTurf, queue: 'generate' | 'publish', name: string, data: unknown) {
    const jobs = turf.queues[queue];
    const { id } = await jobs.add(name, data as never);
    await expect.poll(() => jobs.getJobState(id as string), { timeout: 10_000 }).toBe('failed');
    const job = await jobs.getJob(id as string);
    return { id: id as string, reason: job?.failedReason, tries: job?.attemptsMade, data: job?.data };
  }

  const flow = (ground: JobGround, change: object) => ({ ...flowOf(blobs(ground)), ...change });

  it.for<[string, 'generate' | 'publish', string, (ground: JobGround) => unknown, RegExp]>([
    ['nothing', 'publish', 'flow', () => null, /^FB_JOB_INVALID: .*\(the payload itself\)/],
    ['a word', 'generate', 'chunk', () => 'seven', /^FB_JOB_INVALID: .*\(the payload itself\)/],
    [
      'a field too many',
      'publish',
      'flow',
      (ground) => flow(ground, { colour: 1 }),
      /^FB_JOB_INVALID: .*colour/,
    ],
    [
      'a field too few',
      'publish',
      'flow',
      (ground) => flow(ground, { state: undefined }),
      /^FB_JOB_INVALID: .*field state/,
    ],
    [
      'a bank outside the store',
      'publish',
      'flow',
      (ground) => flow(ground, { bank: '../x' }),
      /^FB_BANK_NAME_INVALID: .*\.\.\/x/,
    ],
    [
      'no version',
      'publish',
      'flow',
      (ground) => flow(ground, { version: undefined }),
      /^FB_JOB_INVALID: .*field version/,
    ],
    [
      'an unknown version',
      'publish',
      'flow',
      (ground) => flow(ground, { version: 0 }),
      /^FB_JOB_INVALID: .*field version/,
    ],
    [
      'a chunk without size',
      ...(['generate', 'chunk'] as const),
      () => ({ ...chunk, options: { ...chunk.options, chunkSize: undefined } }),
      /^FB_JOB_INVALID: .*options\.chunkSize/,
    ],
    ['a schedule of no bank', 'publish', 'due', () => ({ version: 1 }), /^FB_JOB_INVALID: .*field bank/],
    [
      'a newer refresh',
      'publish',
      'flow',
      (ground) => flow(ground, { version: 2, more: [] }),
      /^FB_JOB_NEWER: .* version 2, .* 1/,
    ],
    ['a newer chunk', 'generate', 'chunk', () => ({ ...chunk, version: 9 }), /^FB_JOB_NEWER: .* version 9/],
    ['a newer schedule', 'publish', 'due', () => ({ version: 2 }), /^FB_JOB_NEWER/],
    ['an unknown name', 'publish', 'polish', () => ({}), /^FB_JOB_INVALID: .*no job is named polish/],
    [
      'an unknown name of a chunk',
      'generate',
      'flow',
      () => chunk,
      /^FB_JOB_INVALID: .*no job is named flow/,
    ],
  ])(
    '%s fails at once, is not tried again and stays to be looked at',
    async ([, queue, name, data, reason], { turf, ground }) => {
      const payload = data(ground);
      const failed = await put(turf, queue, name, payload);
      expect(failed).toMatchObject({ reason: expect.stringMatching(reason), tries: 1 });
      expect(failed.data).toEqual(JSON.parse(JSON.stringify(payload)));
    },
  );

  it('does not keep the list of refreshes, or the job itself, from being shown', async ({ turf, ground }) => {
    const ids: string[] = [];
    for (const data of [null, 'seven', {}, flow(ground, { version: 2 })])
      ids.push((await put(turf, 'publish', 'flow', data)).id);
    const views = await listFlows(turf.queues, 10);
    expect(views.map(({ id }) => id).sort()).toEqual([...ids].sort());
    for (const { id, status, reason } of views) {
      expect({ status, reason }).toEqual({ status: 'failed', reason: expect.stringMatching(/^FB_JOB_/) });
      expect(await showFlow(turf.queues, id)).toMatchObject({ id, log: [], failures: [] });
    }
  });

  it('is not put into the queue again', async ({ turf, ground }) => {
    const [nothing, newer] = [
      await put(turf, 'publish', 'flow', null),
      await put(turf, 'publish', 'flow', flow(ground, { version: 2 })),
    ];
    await expect(retryFlow(turf.queues, nothing.id)).rejects.toMatchObject({ code: 'FB_JOB_INVALID' });
    await expect(retryFlow(turf.queues, newer.id)).rejects.toMatchObject({ code: 'FB_JOB_NEWER' });
    expect(await turf.queues.publish.getFailedCount()).toBe(2);
  });

  it('keeps no other job from being done', async ({ turf, ground }) => {
    await put(turf, 'publish', 'flow', null);
    await put(turf, 'generate', 'polish', {});
    const { id } = await turf.queues.publish.add('flow', flowOf(blobs(ground)));
    expect((await turf.until(id as string, 'done', 'failed')).status).toBe('done');
  });
});
