import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));
const POINTS = new URL('fault-points.mjs', import.meta.url).href;

/** Where a worker ends itself: at the nth call that fits, counted over all workers that share the folder `counters`. */
export interface FaultPoint {
  /** A regular expression for `write|before|after`, the call and the path: `before rename /…/parts/…`. */
  readonly pattern: string;
  readonly nth: number;
  readonly counters: string;
}

/** A real `foilbank worker` in a process of its own, which can be told where to die. */
export class FaultWorker {
  /** Messages of its log. */
  readonly log: { readonly msg: string; readonly reason?: string }[] = [];
  readonly #child: ChildProcess;
  readonly #ready: Promise<void>;
  readonly gone: Promise<NodeJS.Signals | number | null>;
  #orders = 0;

  constructor(env: Readonly<Record<string, string>>) {
    this.#child = spawn(process.execPath, ['--import', POINTS, MAIN, 'worker', '--port', '0'], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.gone = once(this.#child, 'exit').then(([code, signal]) => signal ?? code);
    this.#ready = new Promise((resolve, reject) => {
      createInterface({ input: this.#child.stderr! }).on('line', (line) => {
        try {
          this.log.push(JSON.parse(line));
        } catch {
          this.log.push({ msg: line });
        }
        if (this.log.at(-1)?.msg === 'ready') resolve();
      });
      this.#child.once('exit', () => reject(new Error(`a worker ended: ${JSON.stringify(this.log.at(-1))}`)));
    });
    this.#ready.catch(() => {});
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  ready(): Promise<void> {
    return this.#ready;
  }

  /** Resolves once the worker has heard it. A clock is moved by milliseconds against the true one. */
  async tell(order: { readonly point?: FaultPoint; readonly clock?: number }): Promise<void> {
    const number = ++this.#orders;
    const heard = new Promise<void>((resolve) => {
      const listen = (answer: { done: number }) => {
        if (answer.done !== number) return;
        this.#child.off('message', listen);
        resolve();
      };
      this.#child.on('message', listen);
    });
    this.#child.send({ ...order, number });
    await Promise.race([heard, this.gone]);
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (this.alive) this.#child.kill(signal);
    await this.gone;
  }
}
