import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { FlowProducer, Queue, QueueEvents, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FoilbankError } from '../../src/errors.js';
import { connectForCommands, connectForWorker, resolveRedis } from '../../src/jobs/connection.js';
import { asRedisError, checkRedis, openCheckedQueues, openQueues } from '../../src/jobs/open-queues.js';
import { freePort, hasRedis, needsRedis, type RedisServer, startRedis } from '../support/redis.js';

/** As docs/operations.md gives it. */
const ACL =
  '~{foilbank}* resetchannels -@all +@read +@write +@connection +@scripting +multi +exec +info +time +config|get -@dangerous +info +config|get';

type Env = Record<string, string>;
const settingsOf = (env: Env) => {
  const settings = resolveRedis(env);
  if (!settings) throw new Error('REDIS_URL is empty');
  return settings;
};
const failureOf = (work: Promise<unknown>): Promise<FoilbankError> =>
  work.then(
    () => Promise.reject(new Error('nothing was thrown')),
    (error: FoilbankError) => error,
  );
const problems = async (env: Env): Promise<string[]> => {
  const queues = await openQueues(settingsOf(env));
  try {
    return (await checkRedis(queues)).map((w) => w.setting);
  } finally {
    await queues.close();
  }
};

/** A queue, a worker, a delayed job, a scheduler and a parent with children, as Foilbank uses them. */
async function exercise(env: Env): Promise<void> {
  const settings = settingsOf(env);
  const { prefix } = settings;
  const connection = connectForCommands(settings);
  const forWorkers = [0, 1, 2].map(() => connectForWorker(settings));
  const [one, two, three] = forWorkers as [Redis, Redis, Redis];
  const parts = new Queue('parts', { connection, prefix });
  const whole = new Queue('whole', { connection, prefix });
  const events = new QueueEvents('whole', { connection: three, prefix });
  const flows = new FlowProducer({ connection, prefix });
  const workers = [
    new Worker('parts', async (job) => job.data * 2, { connection: one, prefix }),
    new Worker(
      'whole',
      async (job) => Object.values(await job.getChildrenValues<number>()).reduce((a, b) => a + b, 0),
      { connection: two, prefix },
    ),
  ];
  const quiet = () => {};
  for (const queue of [parts, whole]) queue.on('error', quiet);
  for (const worker of workers) worker.on('error', quiet);
  events.on('error', quiet);
  flows.on('error', quiet);
  try {
    await events.waitUntilReady();
    const { job } = await flows.add({
      name: 'sum',
      queueName: 'whole',
      children: [1, 2, 3].map((data) => ({ name: 'double', queueName: 'parts', data })),
    });
    expect(await job.waitUntilFinished(events, 15_000)).toBe(12);
    const late = await whole.add('late', {}, { delay: 50, deduplication: { id: 'late' } });
    expect(await late.waitUntilFinished(events, 15_000)).toBe(0);
    await whole.upsertJobScheduler(
      'nightly',
      { pattern: '30 3 * * *', tz: 'Europe/Berlin' },
      { name: 'due' },
    );
    expect(await whole.getJobSchedulers()).toHaveLength(1);
    await whole.removeJobScheduler('nightly');
    expect(await parts.getJobCounts('completed', 'failed')).toEqual({ completed: 3, failed: 0 });
  } finally {
    await Promise.all([...workers, events, flows].map((part) => part.close()));
    await Promise.all([parts.close(), whole.close()]);
    for (const c of [connection, ...forWorkers]) c.disconnect();
  }
}

describe.skipIf(!hasRedis)(needsRedis('a plain Redis'), () => {
  let server: RedisServer;
  let env: Env;
  beforeAll(async () => {
    server = await startRedis({ args: ['--requirepass', 'pineapple42'] });
    env = { REDIS_URL: `redis://:pineapple42@127.0.0.1:${server.port}` };
  });
  afterAll(() => server?.stop());

  it('runs queues, and nothing about it is doubtful', async () => {
    await exercise(env);
    expect(await problems(env)).toEqual([]);
  });

  it('refuses a wrong or missing password with a code, and neither is told', async () => {
    for (const url of [env.REDIS_URL!.replace('42', '43'), `redis://127.0.0.1:${server.port}`]) {
      const error = await failureOf(openQueues(settingsOf({ REDIS_URL: url })));
      expect(error.code).toBe('FB_REDIS_REFUSED');
      expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('pineapple');
    }
  });

  it('is told as unreachable within seconds, with its host and the reason', async () => {
    const port = await freePort();
    const began = Date.now();
    for (const more of [{}, { FOILBANK_REDIS_CLUSTER: '1' }]) {
      const url = `redis://u:pineapple42@127.0.0.1:${port}`;
      const error = await failureOf(openQueues(settingsOf({ REDIS_URL: url, ...more })));
      expect(error.code).toBe('FB_REDIS_UNREACHABLE');
      expect(error.message).toContain(`127.0.0.1:${port}`);
      expect(error.message).toMatch(/ECONNREFUSED|startup nodes|closed/);
      expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('pineapple');
    }
    expect(Date.now() - began).toBeLessThan(10_000);
  });

  it('that goes away lets a command fail soon and a worker wait', async () => {
    const lost = await startRedis();
    const settings = settingsOf({ REDIS_URL: lost.url });
    const [command, worker] = [connectForCommands(settings), connectForWorker(settings)];
    try {
      await Promise.all([command.connect(), worker.connect()]);
      await lost.kill('SIGKILL');
      const began = Date.now();
      const waiting = worker.ping();
      await expect(command.ping()).rejects.toThrow(/max retries|closed/i);
      expect(Date.now() - began).toBeLessThan(10_000);
      await lost.restart();
      expect(await waiting).toBe('PONG');
    } finally {
      for (const c of [command, worker]) c.disconnect();
      await lost.stop();
    }
  });
});

describe.skipIf(!hasRedis)(needsRedis('a Redis that hangs'), () => {
  it('lets a command fail after ten seconds, and what it fails with is told as unreachable', async () => {
    const server = await startRedis();
    const command = connectForCommands(settingsOf({ REDIS_URL: server.url }));
    try {
      await command.connect();
      server.signal('SIGSTOP');
      const error = await failureOf(command.ping());
      expect(asRedisError(error, 'there')).toMatchObject({ code: 'FB_REDIS_UNREACHABLE' });
    } finally {
      command.disconnect();
      await server.stop();
    }
  });
});

describe.skipIf(!hasRedis)(needsRedis('what is doubtful about a Redis'), () => {
  const withServer = async (args: string[], appendOnly: boolean, user = '') => {
    const server = await startRedis({ args, appendOnly });
    try {
      return await problems({ REDIS_URL: server.url.replace('//', `//${user}`) });
    } finally {
      await server.stop();
    }
  };

  it('is a policy that evicts, and a log that is off', async () => {
    expect(await withServer(['--maxmemory-policy', 'allkeys-lru'], false)).toEqual([
      'maxmemory-policy',
      'appendonly',
    ]);
  });

  it('is told when it cannot be asked', async () => {
    const args = ['--user', 'foil', 'on', '>pw', '~*', '+@all', '-config', '-info'];
    expect(await withServer(args, true, 'foil:pw@')).toEqual(['CONFIG']);
  });

  it('is that it takes no writes: full, or a replica', async () => {
    expect(await withServer(['--maxmemory', '1'], true)).toEqual(['write']);
    expect(await withServer(['--replicaof', '127.0.0.1', '1'], true)).toEqual(['write']);
  });

  it('goes into the log of a process at its start', async () => {
    const server = await startRedis({ appendOnly: false });
    const lines: string[] = [];
    try {
      const log = pino({ base: null }, { write: (line) => void lines.push(line) });
      const queues = await openCheckedQueues({ REDIS_URL: server.url }, log);
      await queues.close();
      expect(lines.join('')).toMatch(/"setting":"appendonly".*"remedy":/);
    } finally {
      await server.stop();
    }
  });
});

describe.skipIf(!hasRedis)(needsRedis('a user with the rights that docs/operations.md lists'), () => {
  it('runs queues under its prefix, and nothing else', async () => {
    const server = await startRedis({ args: ['--user', 'foil', 'on', '>pw', ...ACL.split(' ')] });
    const env = { REDIS_URL: `redis://foil:pw@127.0.0.1:${server.port}` };
    const foil = new Redis(env.REDIS_URL);
    try {
      await exercise(env);
      expect(await problems(env)).toEqual([]);
      // Schedulers compare clocks.
      expect(await foil.time()).toHaveLength(2);
      await expect(foil.set('other', '1')).rejects.toThrow(/NOPERM/);
      await expect(foil.flushall()).rejects.toThrow(/NOPERM/);
      await expect(foil.keys('*')).rejects.toThrow(/NOPERM/);
      await expect(foil.config('SET', 'maxmemory', '1')).rejects.toThrow(/NOPERM/);
      const elsewhere = settingsOf({ ...env, FOILBANK_REDIS_PREFIX: 'other' });
      const queues = await openQueues(elsewhere);
      await expect(queues.testWrite()).rejects.toThrow(/NOPERM/);
      await queues.close();
    } finally {
      foil.disconnect();
      await server.stop();
    }
  });
});

describe.skipIf(!hasRedis)(needsRedis('a Redis with TLS'), () => {
  let folder: string;
  let server: RedisServer;
  let port: number;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'foilbank-tls-'));
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
    execFileSync(
      'openssl',
      ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, ...subject],
      { stdio: 'ignore' },
    );
    port = await freePort();
    server = await startRedis({
      args: [
        ...['--port', '0', '--tls-port', String(port), '--tls-cert-file', cert, '--tls-key-file', key],
        ...['--tls-ca-cert-file', cert],
      ],
    });
  });
  afterAll(async () => {
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('runs queues with its own authority and a client certificate', async () => {
    await exercise({
      REDIS_URL: `rediss://localhost:${port}`,
      FOILBANK_REDIS_CA: join(folder, 'cert.pem'),
      FOILBANK_REDIS_CERT: join(folder, 'cert.pem'),
      FOILBANK_REDIS_KEY: join(folder, 'key.pem'),
    });
  });

  it('is not trusted without the authority', async () => {
    const error = await failureOf(openQueues(settingsOf({ REDIS_URL: `rediss://localhost:${port}` })));
    expect(error.code).toBe('FB_REDIS_UNREACHABLE');
    expect(error.message).toMatch(/self-signed/);
  });
});

describe.skipIf(!hasRedis)(needsRedis('a Redis Cluster'), () => {
  it('runs queues: their keys share a slot', async () => {
    const server = await startRedis({
      args: ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'],
    });
    const admin = new Redis(server.url);
    try {
      await admin.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
      await expect
        .poll(() => admin.call('CLUSTER', 'INFO'), { timeout: 15_000 })
        .toContain('cluster_state:ok');
      const env = { REDIS_URL: server.url, FOILBANK_REDIS_CLUSTER: '1' };
      await exercise(env);
      expect(await problems(env)).toEqual([]);
    } finally {
      admin.disconnect();
      await server.stop();
    }
  });
});
