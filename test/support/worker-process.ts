import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

type Line = Readonly<Record<string, unknown>> & { readonly msg: string };

/** A worker as it is run in production: one file of `workers/`, in a process of its own, its monitor on a free port. */
export class WorkerProcess {
  readonly log: Line[] = [];
  /** Exit code, or the signal that ended it. */
  readonly gone: Promise<number | NodeJS.Signals>;
  readonly #child: ChildProcess;

  constructor(file: 'generate' | 'publish' | 'scheduler', env: Readonly<Record<string, string>>) {
    const path = fileURLToPath(new URL(`../../dist/workers/${file}.js`, import.meta.url));
    this.#child = spawn(process.execPath, [path], {
      env: { ...process.env, FOILBANK_MONITOR_PORT: '0', FOILBANK_THREADS: '1', ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.gone = once(this.#child, 'exit').then(([code, signal]) => signal ?? code);
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
}
