import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

type Line = Readonly<Record<string, unknown>> & { readonly msg: string };

const POINTS = new URL('fault-points.mjs', import.meta.url).href;
const FILES = {
  generate: '../../dist/workers/generate.js',
  publish: '../../dist/workers/publish.js',
  scheduler: '../../dist/workers/scheduler.js',
  quickScheduler: 'quick-scheduler.mjs',
};

/** A worker as it is run in production: one file of `workers/`, in a process of its own, its monitor on a free port. */
export class WorkerProcess {
  readonly log: Line[] = [];
  /** Exit code, or the signal that ended it. */
  readonly gone: Promise<number | NodeJS.Signals>;
  readonly #child: ChildProcess;

  /** @param clock milliseconds that its clock is ahead of the true one, from its start; it can be moved only when given */
  constructor(file: keyof typeof FILES, env: Readonly<Record<string, string>>, clock?: number) {
    const path = fileURLToPath(new URL(FILES[file], import.meta.url));
    const movable = clock !== undefined;
    this.#child = spawn(process.execPath, [...(movable ? ['--import', POINTS] : []), path], {
      env: {
        ...{ ...process.env, FOILBANK_MONITOR_PORT: '0', FOILBANK_THREADS: '1', ...env },
        ...(movable ? { FAULT_CLOCK: String(clock) } : {}),
      },
      stdio: ['ignore', 'ignore', 'pipe', ...(movable ? (['ipc'] as const) : [])],
    });
    // Not `exit`: the last lines of its log come after that.
    this.gone = once(this.#child, 'close').then(([code, signal]) => signal ?? code);
    createInterface({ input: this.#child.stderr as NodeJS.ReadableStream }).on('line', (line) =>
      this.log.push(line.startsWith('{') ? JSON.parse(line) : { msg: line }),
    );
  }

  /** Waits for a message of its log. @throws Error when the process ends first */
  async said(msg: string): Promise<Line> {
    for (;;) {
      const line = this.log.find((l) => l.msg === msg);
      if (line) return line;
      const code = await Promise.race([this.gone, new Promise((resolve) => setTimeout(resolve, 20, 'runs'))]);
      if (code !== 'runs' && !this.log.some((l) => l.msg === msg))
        throw new Error(`ended with ${code} before it said "${msg}": ${JSON.stringify(this.log.slice(-3))}`);
    }
  }

  /** Address of its monitor, once jobs are taken. */
  async url(): Promise<string> {
    return (await this.said('ready')).url as string;
  }

  signal(name: NodeJS.Signals): void {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill(name);
  }

  /** Moves its clock to so many milliseconds ahead of the true one; resolves once it is. */
  async moveClock(milliseconds: number): Promise<void> {
    const heard = once(this.#child, 'message');
    this.#child.send({ clock: milliseconds, number: 0 });
    await heard;
  }
}
