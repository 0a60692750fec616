import type { ChildProcess } from 'node:child_process';
import { describe, expect } from 'vitest';
import { cancelFlow, enqueueFlow, watchFlow } from '../../src/jobs/index.js';
import { foilbank, jsonLines } from '../support/cli.js';
import { blobs, jobTest as it, type JobGround, type JobTurf } from '../support/jobs.js';
import { hasRedis, needsRedis } from '../support/redis.js';

describe.skipIf(!hasRedis)(
  needsRedis('a refresh that is watched while Redis goes away'),
  { timeout: 60_000 },
  () => {
    /** `foilbank jobs watch`, and what it said so far. */
    function watch({ redis }: JobGround, { name }: JobTurf, ...args: string[]) {
      let [child, said] = [undefined as ChildProcess | undefined, ''];
      const outcome = foilbank(['jobs', 'watch', ...args], {
        env: { REDIS_URL: redis.url, FOILBANK_REDIS_PREFIX: `{${name}}` },
        onStart: (started) => {
          child = started;
          for (const stream of [started.stdout, started.stderr])
            stream?.on('data', (text: string) => {
              said += text;
            });
        },
      });
      return { outcome, said: () => said, interrupt: () => child?.kill('SIGINT') };
    }

    it('is waited for, and watched on when Redis is back', async ({ ground, turf }) => {
      const { id } = await enqueueFlow(turf.queues, blobs(ground));
      const watching = watch(ground, turf, id);
      await expect.poll(watching.said, { timeout: 20_000 }).toContain(`${id}: waiting`);
      await ground.redis.kill();
      await expect
        .poll(watching.said, { timeout: 20_000 })
        .toContain('Redis does not answer; the refresh is not lost. Waiting for up to 60 s');
      await ground.redis.restart();
      await expect.poll(watching.said, { timeout: 20_000 }).toContain('Redis answers again');
      turf.work();
      const { code, stderr } = await watching.outcome;
      expect(stderr).toContain(`${id}: done · version 000001`);
      expect(code).toBe(0);
    });

    it('is told in JSON lines, too, and Ctrl-C ends the wait', async ({ ground, turf }) => {
      const { id } = await enqueueFlow(turf.queues, blobs(ground));
      const watching = watch(ground, turf, id, '--json');
      await expect.poll(watching.said, { timeout: 20_000 }).toContain('"waiting"');
      await ground.redis.kill();
      await expect.poll(watching.said, { timeout: 20_000 }).toContain('"redis"');
      watching.interrupt();
      const { code, stdout } = await watching.outcome;
      expect(code).toBe(0);
      expect(jsonLines(stdout).at(-1)).toEqual({ event: 'redis', state: 'away', waiting: 60 });
      await ground.redis.restart();
    });

    it('survives a Redis that comes and goes, wherever the watcher is', async ({ ground, turf }) => {
      const { id } = await enqueueFlow(turf.queues, blobs(ground));
      const states: string[] = [];
      const away = (async () => {
        for (let round = 0; round < 4; round++) {
          await ground.redis.kill();
          await new Promise((resolve) => setTimeout(resolve, 200 + 250 * round));
          await ground.redis.restart();
          await new Promise((resolve) => setTimeout(resolve, 700 + 90 * round));
        }
        await cancelFlow(turf.queues, id);
        turf.work();
      })();
      for await (const { status } of watchFlow(turf.queues, id)) states.push(status);
      await away;
      expect(states.at(0)).toBe('waiting');
      expect(states.at(-1)).toBe('cancelled');
    });

    it('is given up after a while, with what to do then', async ({ ground, turf }) => {
      const { id } = await enqueueFlow(turf.queues, blobs(ground));
      const told: unknown[] = [];
      const patience = { milliseconds: 2000, onRedis: (...all: unknown[]) => void told.push(all) };
      const views = watchFlow(turf.queues, id, undefined, patience);
      expect((await views.next()).value).toMatchObject({ status: 'waiting' });
      await ground.redis.kill();
      const began = performance.now();
      await expect(views.next()).rejects.toMatchObject({
        code: 'FB_REDIS_UNREACHABLE',
        message: expect.stringContaining(
          `nothing came for 2 s. Once it is back, \`foilbank jobs watch ${id}\``,
        ),
      });
      expect(performance.now() - began).toBeGreaterThan(2000);
      expect(performance.now() - began).toBeLessThan(10_000);
      expect(told).toEqual([['away', 2]]);
      await ground.redis.restart();
    });
  },
);
