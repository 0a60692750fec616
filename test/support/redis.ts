import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';

export interface RedisUnderTest {
  readonly url: string;
  readonly port: number;
  readonly folder: string;
  /** Ends the server as a crash or an operator would, and waits until it is gone. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same port and folder. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** Debian's redis-server on a free port, with a folder of its own; append-only and flushed at every write unless told otherwise. */
export async function startRedis(
  options: {
    readonly appendOnly?: boolean;
    readonly port?: number;
    readonly folder?: string;
    readonly args?: readonly string[];
  } = {},
): Promise<RedisUnderTest> {
  const port = options.port ?? (await freePort());
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'foilbank-redis-')));
  await mkdir(folder, { recursive: true });
  const args = [
    ...['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', ''],
    ...['--appendonly', options.appendOnly === false ? 'no' : 'yes', '--appendfsync', 'always'],
    ...['--maxmemory-policy', 'noeviction', '--loglevel', 'warning', ...(options.args ?? [])],
  ];
  let child: ChildProcess | undefined;
  const start = async () => {
    // A server must not outlive a test process that was killed: the shell waits for its stdin to close, then ends it.
    const script =
      'redis-server "$@" & server=$!; trap "kill -9 $server" TERM; cat >/dev/null; kill -9 $server';
    child = spawn('bash', ['-c', script, 'redis', ...args], { stdio: ['pipe', 'ignore', 'ignore'] });
    await answers(port);
  };
  const kill = async (signal: NodeJS.Signals = 'SIGKILL') => {
    if (!child) return;
    const { pid } = await serverOn(port);
    const gone = once(child, 'close');
    process.kill(pid, signal);
    child.stdin?.end();
    await gone;
    child = undefined;
  };
  await start();
  return {
    ...{ url: `redis://127.0.0.1:${port}`, port, folder, kill, restart: start },
    stop: async () => {
      child?.stdin?.end();
      if (child) await once(child, 'close');
      child = undefined;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const connect = (port: number) =>
  new Redis(port, '127.0.0.1', { lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 });

async function serverOn(port: number): Promise<{ pid: number }> {
  const redis = connect(port);
  redis.on('error', () => {});
  await redis.connect();
  const pid = Number(/process_id:(\d+)/.exec(await redis.info('server'))?.[1]);
  redis.disconnect();
  return { pid };
}

async function answers(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const redis = connect(port);
    redis.on('error', () => {});
    const up = await redis.connect().then(
      () =>
        redis.ping().then(
          () => true,
          () => false,
        ),
      () => false,
    );
    redis.disconnect();
    if (up) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`redis-server does not answer on port ${port}`);
}
