import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FileStore, listVersions } from '../../src/bank/index.js';
import { openQueues, type RedisSettings, resolveRedis } from '../../src/jobs/index.js';
import { foilbank, jsonLines } from '../support/cli.js';
import { temporaryFolder, tinyNetworks } from '../support/networks.js';
import { hasRedis, needsRedis, type RedisServer, startRedis } from '../support/redis.js';

let folder: string;
let env: Record<string, string>;
beforeAll(async () => {
  folder = await temporaryFolder();
  await tinyNetworks(join(folder, 'models'));
  env = {
    ...{ FOILBANK_STORE: join(folder, 'banks'), FOILBANK_MODELS: join(folder, 'models'), REDIS_URL: '' },
    ...{ FOILBANK_MONITOR_PORT: '0', FOILBANK_THREADS: '1', FOILBANK_CONCURRENCY: '1' },
  };
});
afterAll(() => rm(folder, { recursive: true }));
const run = (...args: string[]) => foilbank(args, { env });
const blobs = [
  ...['--generator', 'tiny-generator', '--embedder', 'tiny-arcface', '--min-score', '0'],
  ...['--size', '96', '--chunk-size', '32'],
];
const versions = async (bank: string) =>
  (await listVersions(new FileStore(join(folder, 'banks')), bank).catch(() => [])).length;

describe('without REDIS_URL', { timeout: 60_000 }, () => {
  it('enqueue generate does the work itself and publishes nothing; refresh then publishes', async () => {
    const made = await run('enqueue', 'generate', 'alone', ...blobs, '--json');
    expect(made).toMatchObject({ code: 0, stderr: '' });
    expect(jsonLines(made.stdout).at(-1)).toEqual({ event: 'parts', bank: 'alone' });
    expect(await versions('alone')).toBe(0);
    const published = await run('enqueue', 'refresh', 'alone', ...blobs);
    expect(published.code).toBe(0);
    expect(published.stderr).toContain('this process does the work itself');
    expect(published.stderr).toContain('bank alone: version 000001 is in service');
    expect(published.stdout).toMatch(/candidates/);
  });

  it.each([[['jobs', 'list']], [['schedule', 'list']], [['worker']]])(
    '%j says that there is no queue, and what to do',
    async (args) => {
      const { code, stderr } = await run(...args);
      expect(code).toBe(1);
      expect(stderr).toContain('FB_REDIS_UNSET');
      expect(stderr).toContain('REDIS_URL=redis://');
    },
  );

  it.each([
    [['enqueue', 'refresh', '--size', '0'], 'Give a whole number'],
    [['worker', '--queues', 'polish'], 'FB_OPTION_INVALID'],
    [['schedule', 'set'], '--cron'],
  ])('%j is wrong usage', async (args, told) => {
    expect(await run(...args)).toMatchObject({ code: 2, stderr: expect.stringContaining(told) });
  });
});

describe.skipIf(!hasRedis)(needsRedis('with REDIS_URL'), { timeout: 120_000 }, () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
    env.REDIS_URL = redis.url;
  });
  afterAll(async () => {
    env.REDIS_URL = '';
    await redis.stop();
  });
  const ends: (() => Promise<unknown>)[] = [];
  afterAll(() => Promise.all(ends.map((end) => end())));

  /** A worker that lives until it is told to end; resolves once it takes jobs. */
  function work(...args: string[]): Promise<{ end(): Promise<{ code: number | null }> }> {
    return new Promise((resolve, reject) => {
      const outcome = foilbank(['worker', ...args], {
        env,
        onStart: (child) => {
          const end = () => {
            if (child.exitCode === null) child.kill('SIGTERM');
            return outcome;
          };
          ends.push(end);
          child.stderr?.on('data', (text: string) => text.includes('"ready"') && resolve({ end }));
        },
      });
      outcome.then(({ stderr }) => reject(new Error(stderr)), reject);
    });
  }
  const show = async (id: string) => JSON.parse((await run('jobs', 'show', id, '--json')).stdout);

  it('a refresh is enqueued, seen, watched and done by a worker', async () => {
    expect(await run('jobs', 'list')).toMatchObject({
      ...{ code: 0, stdout: '', stderr: expect.stringContaining('foilbank enqueue refresh') },
    });
    const asked = await run('enqueue', 'refresh', 'faces', ...blobs);
    expect(asked).toMatchObject({ code: 0, stderr: expect.stringContaining('is in the queue') });
    const id = asked.stdout.trim();
    const again = await run('enqueue', 'refresh', 'faces', ...blobs, '--json');
    expect(jsonLines(again.stdout)).toEqual([{ event: 'joined', id, bank: 'faces' }]);
    let worker: ReturnType<typeof work> | undefined;
    const watched = await foilbank(['jobs', 'watch', id], {
      env,
      onStart: (child) =>
        child.stderr?.on('data', (text: string) => {
          if (text.includes('nobody takes')) worker ??= work();
        }),
    });
    const { end } = await worker!;
    expect(watched.code).toBe(0);
    expect(watched.stderr).toContain(`${id}: waiting`);
    expect(watched.stderr).toContain('nobody takes jobs of queue publish now');
    expect(watched.stderr).toContain(`${id}: done · version 000001`);
    expect(await versions('faces')).toBe(1);
    const [listed] = jsonLines((await run('jobs', 'list', '--json')).stdout);
    expect(listed).toMatchObject({ id, bank: 'faces', kind: 'refresh', status: 'done', version: '000001' });
    expect((await run('jobs', 'list')).stdout).toMatch(new RegExp(`${id} +faces +refresh +done +3/3`));
    expect((await run('jobs', 'show', id)).stdout).toMatch(/status +done/);
    expect(await end()).toMatchObject({ code: 0 });
  });

  it('--watch stays to the end, and --json tells it in lines; generate publishes nothing', async () => {
    const { end } = await work();
    const made = await run('enqueue', 'generate', 'ahead', ...blobs, '--watch', '--json');
    expect(made.code).toBe(0);
    const lines = jsonLines(made.stdout);
    expect(lines[0]).toMatchObject({ event: 'enqueued', bank: 'ahead' });
    expect(lines.at(-1)).toMatchObject({
      event: 'status',
      status: 'done',
      kind: 'parts',
      chunks: { done: 3 },
    });
    expect(lines.filter((l) => l.event === 'warning')).toEqual([]);
    expect(await versions('ahead')).toBe(0);
    const refreshed = await run('enqueue', 'refresh', 'ahead', ...blobs, '--watch', '--json');
    // All its faces lay in the store.
    expect(jsonLines(refreshed.stdout).at(-1)).toMatchObject({ status: 'done', chunks: { total: 0 } });
    expect(await versions('ahead')).toBe(1);
    await end();
  });

  it('one that fails tells why; retry and cancel steer it, each with its exit code', async () => {
    const publisher = await work('--queues', 'publish');
    const failed = await run('enqueue', 'refresh', 'nowhere', '--generator', 'nobody', '--watch', '--json');
    expect(failed.code).toBe(1);
    const { id, reason } = jsonLines(failed.stdout).at(-1) as { id: string; reason: string };
    expect(reason).toMatch(/^FB_CARD_UNKNOWN: /);
    expect(await run('jobs', 'cancel', id)).toMatchObject({
      ...{ code: 1, stderr: expect.stringContaining('FB_JOB_STATE') },
    });
    expect(await run('jobs', 'retry', id)).toMatchObject({
      ...{ code: 0, stderr: expect.stringContaining('in the queue again') },
    });
    expect((await run('jobs', 'watch', id)).code).toBe(1);
    const { stdout } = await run('enqueue', 'refresh', 'unwanted', ...blobs);
    const unwanted = stdout.trim();
    await expect.poll(() => show(unwanted), { timeout: 20_000 }).toMatchObject({ status: 'generating' });
    const watching = run('jobs', 'watch', unwanted, '--json');
    expect(await run('jobs', 'cancel', unwanted)).toMatchObject({
      ...{ code: 0, stderr: expect.stringContaining('will end as cancelled') },
    });
    const watched = await watching;
    expect(watched.code).toBe(1);
    expect(jsonLines(watched.stdout).at(-1)).toMatchObject({ status: 'cancelled' });
    expect(await run('jobs', 'retry', 'nobody-000000000000')).toMatchObject({
      ...{ code: 1, stderr: expect.stringContaining('FB_JOB_NOT_FOUND') },
    });
    expect(await publisher.end()).toMatchObject({ code: 0 });
  });

  it('Ctrl-C stops watching, not the refresh', async () => {
    const { stdout } = await run('enqueue', 'refresh', 'later', ...blobs);
    const id = stdout.trim();
    const { code } = await foilbank(['jobs', 'watch', id, '--json'], {
      env,
      onStart: (child) => child.stdout?.once('data', () => child.kill('SIGINT')),
    });
    expect(code).toBe(0);
    expect(await show(id)).toMatchObject({ status: 'waiting' });
    expect((await run('jobs', 'cancel', id)).code).toBe(0);
  });

  it('chunks that failed for good are listed, whoever put them there', async () => {
    expect(await run('jobs', 'list', '--chunks')).toMatchObject({
      ...{ code: 0, stdout: '', stderr: expect.stringContaining('no chunk failed') },
    });
    const queues = await openQueues(resolveRedis({ REDIS_URL: redis.url }) as RedisSettings);
    await queues.generate.add('chunk', { version: 99 } as never);
    const { end } = await work('--queues', 'generate');
    await expect.poll(() => queues.generate.getFailedCount(), { timeout: 20_000 }).toBe(1);
    await queues.close();
    expect((await run('jobs', 'list', '--chunks')).stdout).toContain('FB_JOB_NEWER');
    await end();
  });

  it('a schedule is set, listed and removed', async () => {
    const cron = ['--cron', '30 3 * * *', '--tz', 'Europe/Berlin'];
    expect(await run('schedule', 'set', 'faces', ...cron, '--size', '5000', '--keep', '7')).toMatchObject({
      ...{ code: 0, stderr: expect.stringMatching(/bank faces is refreshed next at \d{4}-/) },
    });
    expect((await run('schedule', 'list')).stdout).toMatch(/faces +30 3 \* \* \* +Europe\/Berlin +\d{4}-/);
    expect(jsonLines((await run('schedule', 'list', '--json')).stdout)).toMatchObject([
      { bank: 'faces', timeZone: 'Europe/Berlin', request: { keep: 7, options: { size: 5000 } } },
    ]);
    expect(await run('schedule', 'set', 'faces', '--cron', '61 * * * *')).toMatchObject({
      ...{ code: 1, stderr: expect.stringContaining('FB_SCHEDULE_INVALID') },
    });
    expect((await run('schedule', 'remove', 'faces')).code).toBe(0);
    expect(await run('schedule', 'remove', 'faces')).toMatchObject({
      ...{ code: 1, stderr: expect.stringContaining('FB_SCHEDULE_NOT_FOUND') },
    });
    expect(await run('schedule', 'list')).toMatchObject({ code: 0, stdout: '' });
  });

  it('a Redis that does not answer is told with its address', async () => {
    await redis.kill();
    for (const args of [
      ['jobs', 'list', '--json'],
      ['jobs', 'watch', 'nobody-000000000000'],
    ]) {
      const { code, stderr } = await run(...args);
      expect(code).toBe(1);
      expect(stderr).toContain('FB_REDIS_UNREACHABLE');
      expect(stderr).toContain(`127.0.0.1:${redis.port}`);
    }
    await redis.restart();
  });
});
