import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface RedisOptions {
  /** Append-only file, written through at every command. Default true. */
  readonly appendOnly?: boolean;
  /** Where Redis keeps its files; a folder that was given is not removed. Default: a new one under the system's. */
  readonly folder?: string;
  /** Default: a free one. */
  readonly port?: number;
  /** More of redis-server's own arguments; they win over those made here. */
  readonly args?: readonly string[];
}

export interface RedisServer {
  readonly url: string;
  readonly port: number;
  readonly folder: string;
  /** Sends a signal. */
  signal(name: NodeJS.Signals): void;
  /** Sends a signal (default SIGKILL) and waits until the process is gone. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Starts again on the same port and folder, ending a running process first; returns when it answers. */
  restart(): Promise<void>;
  /** Ends the process and removes the folder. */
  stop(): Promise<void>;
}

/** Whether `redis-server` is installed here. */
export const hasRedis = spawnSync('redis-server', ['--version']).status === 0;

/** The title of a test that needs `redis-server`; says so where it is skipped (`it.skipIf(!hasRedis)`). */
export const needsRedis = (title: string): string =>
  hasRedis ? title : `${title} (SKIPPED: redis-server is not installed)`;

/** A TCP port of 127.0.0.1 that nobody listens on right now, low enough for a cluster's bus port (+ 10000). */
export async function freePort(): Promise<number> {
  for (;;) {
    const server = createServer();
    const wanted = 15_000 + Math.floor(Math.random() * 15_000);
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(wanted, '127.0.0.1', () => resolve(true));
    });
    if (!free) continue;
    server.close();
    await once(server, 'close');
    return wanted;
  }
}

/** Starts a real redis-server: no snapshots, `noeviction`, append-only unless told otherwise. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'foilbank-redis-')));
  await mkdir(folder, { recursive: true });
  const start = (port: number) =>
    launch([
      ...['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', ''],
      ...['--appendonly', (options.appendOnly ?? true) ? 'yes' : 'no', '--appendfsync', 'always'],
      ...['--maxmemory-policy', 'noeviction', ...(options.args ?? [])],
    ]);

  let port = options.port ?? (await freePort());
  let running: Running;
  for (let tries = 1; ; tries++) {
    try {
      running = await start(port);
      break;
    } catch (error) {
      const taken = error instanceof Error && error.message.includes('Address already in use');
      if (!taken || options.port !== undefined || tries === 5) throw error;
      port = await freePort();
    }
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    folder,
    signal: (name) => running.signal(name),
    kill: (signal = 'SIGKILL') => running.end(signal),
    async restart() {
      await running.end('SIGTERM');
      running = await start(port);
    },
    async stop() {
      await running.end('SIGKILL');
      if (options.folder === undefined) await rm(folder, { recursive: true, force: true });
    },
  };
}

interface Running {
  signal(name: NodeJS.Signals): void;
  end(signal: NodeJS.Signals): Promise<void>;
}

/** Resolves once the server accepts connections, which it says on its output whatever protocol it speaks. */
async function launch(args: readonly string[]): Promise<Running> {
  const server = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const watcher = watch(server);
  let output = '';
  await new Promise<void>((resolve, reject) => {
    const fail = (reason: string) => reject(new Error(`redis-server did not start: ${reason}\n${output}`));
    const late = setTimeout(() => {
      server.kill('SIGKILL');
      fail('no answer within 20 s');
    }, 20_000);
    const settle = (then: () => void) => {
      clearTimeout(late);
      then();
    };
    for (const stream of [server.stdout, server.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        output = (output + text).slice(-8192);
        if (output.includes('Ready to accept connections')) settle(resolve);
      });
    server.once('error', (error) => settle(() => fail(error.message)));
    server.once('close', (code, signal) => settle(() => fail(`ended with ${code ?? signal}`)));
  });
  return {
    signal: (name) => void server.kill(name),
    async end(signal) {
      watcher?.kill('SIGKILL');
      if (server.exitCode !== null || server.signalCode !== null) return;
      const gone = once(server, 'exit');
      server.kill(signal);
      await gone;
    },
  };
}

/**
 * A test process that is killed cannot clean up after itself: this shell's input ends when that process does, however it
 * ends, and then the shell kills the server.
 */
function watch(server: ChildProcess): ChildProcess | undefined {
  if (server.pid === undefined) return undefined;
  const watcher = spawn('sh', ['-c', 'read -r _; kill -9 "$1"', 'sh', String(server.pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  server.once('exit', () => watcher.kill('SIGKILL'));
  return watcher;
}
