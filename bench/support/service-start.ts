import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { median } from './median.js';

const main = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

export interface Started {
  readonly child: ChildProcess;
  readonly url: string;
  /** From the start of the process until every bank serves. */
  readonly milliseconds: number;
}

/** Of glibc's malloc, as the container image sets them. */
const MALLOC = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: String(2 ** 23),
  MALLOC_TRIM_THRESHOLD_: String(2 ** 23),
};

/** `foilbank serve` of a store, in a process of its own, once its bank serves. */
export async function startServe(store: string): Promise<Started> {
  const started = performance.now();
  const child = spawn(process.execPath, [main, '--store', store, 'serve', '--no-auth', '--port', '0'], {
    env: { ...process.env, ...MALLOC },
  });
  let log = '';
  await new Promise<void>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the service ended with ${code}: ${log}`)));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      log += text;
      if (log.includes('version serves')) resolve();
    });
  });
  const milliseconds = performance.now() - started;
  return { child, url: /"url":"([^"]+)"/.exec(log)?.[1] ?? '', milliseconds };
}

/**
 * How soon a bank serves and how much memory it takes, as ratios to an empty Node process and to reading its files; of several
 * starts the median.
 *
 * @param store with a bank of `rows` × `dimension`
 * @param small with one of a few rows: what the process takes without the vectors
 */
export async function measureStart(
  store: string,
  small: string,
  { rows, dimension, starts }: { rows: number; dimension: number; starts: number },
): Promise<void> {
  const [empty, reading, ready, loaded, bare]: number[][] = [[], [], [], [], []];
  for (let i = 0; i < starts; i++) {
    empty!.push(await emptyProcess());
    reading!.push(readFiles(store));
    const [one, other] = [await resident(store), await resident(small)];
    ready!.push(one.milliseconds);
    loaded!.push(one.megabytes);
    bare!.push(other.megabytes);
  }
  const vectors = (rows * dimension * 4) / 1e6;
  const [node, read, ms, memory, without] = [empty, reading, ready, loaded, bare].map((list) =>
    median(list!),
  ) as [number, number, number, number, number];
  console.log(
    `${rows} × ${dimension}: ready after ${ms.toFixed(0)} ms, ${(ms / node).toFixed(1)} × an empty Node process (${node.toFixed(0)} ms), ${(ms / read).toFixed(1)} × reading its files (${read.toFixed(0)} ms)`,
  );
  console.log(
    `resident: ${memory.toFixed(0)} MB, of which ${without.toFixed(0)} MB are the process: ${((memory - without) / vectors).toFixed(2)} × the vectors (${vectors.toFixed(0)} MB)`,
  );
}

function emptyProcess(): Promise<number> {
  const started = performance.now();
  const child = spawn(process.execPath, ['-e', '0']);
  return new Promise((resolve) => child.once('exit', () => resolve(performance.now() - started)));
}

function readFiles(store: string): number {
  const started = performance.now();
  const folder = join(store, 'default', 'versions');
  for (const name of readdirSync(folder, { recursive: true, withFileTypes: true }))
    if (name.isFile()) readFileSync(join(name.parentPath, name.name));
  return performance.now() - started;
}

/** Two seconds after the start: what only the start needed may be given back by then. */
async function resident(store: string): Promise<{ milliseconds: number; megabytes: number }> {
  const { child, milliseconds } = await startServe(store);
  await sleep(2000);
  const megabytes = residentBytes(child) / 1e6;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await gone;
  return { milliseconds, megabytes };
}

export function residentBytes({ pid }: ChildProcess): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}
