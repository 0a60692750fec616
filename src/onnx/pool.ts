import { availableParallelism } from 'node:os';
import type { Worker } from 'node:worker_threads';
import { checkWhole } from '../checks.js';
import { FoilbankError, reasonOf } from '../errors.js';
import { startThread } from '../thread-entry.js';
import { type FromThread, type TaskResult, type ToThread, unpackError } from './messages.js';
import type { Network, NetworkHost, NetworkSource } from './network.js';
import { movable } from './tensor.js';
import { stackSizeFor } from './thread-stack.js';

export interface PoolOptions {
  /** Threads, each with one session of every network. Default: the machine's available cores. 1..256. */
  readonly threads: number;
  /** Threads inside one session. 1 keeps results repeatable bit for bit and leaves the scaling to `threads`. 1..64. */
  readonly intraOpNumThreads: number;
}

export function resolvePoolOptions(options: Partial<PoolOptions> = {}): PoolOptions {
  const resolved = { threads: availableParallelism(), intraOpNumThreads: 1, ...options };
  checkWhole('threads', resolved.threads, 1, 256);
  checkWhole('intraOpNumThreads', resolved.intraOpNumThreads, 1, 64);
  return Object.freeze(resolved);
}

/** A program that runs in every thread of a pool. Calls go to whichever thread is free. */
export interface Program<Input, Output> {
  /**
   * @param transfer buffers inside the input that move to the thread instead of being copied
   * @throws the program's FoilbankErrors, FB_INFERENCE_THREAD_DIED
   */
  call(input: Input, transfer?: readonly ArrayBuffer[]): Promise<Output>;
}

interface Task {
  readonly message: ToThread;
  readonly transfer: readonly ArrayBuffer[];
  readonly priority: number;
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

/** What a thread answers, and the milliseconds that it spent inside `session.run`. */
type Answer = Extract<FromThread, { ok: true }>;

/** A set of inference threads. Every network lives in all of them; a task waits for the first thread that is free. */
export class InferencePool implements NetworkHost {
  readonly threads: number;
  readonly #workers: PooledThread[];
  readonly #waiting: Task[] = [];
  #nextTask = 0;
  #nextLoaded = 0;
  #closed = false;
  #milliseconds = 0;

  constructor(options: Partial<PoolOptions> = {}) {
    const { threads, intraOpNumThreads } = resolvePoolOptions(options);
    this.threads = threads;
    this.#workers = Array.from(
      { length: threads },
      () => new PooledThread(intraOpNumThreads, () => this.#dispatch()),
    );
  }

  /** Milliseconds inside `session.run` of all networks, summed over threads. */
  get milliseconds(): number {
    return this.#milliseconds;
  }

  /**
   * Opens the graph on every thread.
   *
   * @param transfer moves the constants' buffers instead of copying them: of a pool of one thread only
   * @throws FoilbankError FB_MODEL_LOAD_FAILED
   */
  async load(source: NetworkSource, { transfer = false } = {}): Promise<Network> {
    if (transfer && this.threads > 1) throw new TypeError('constants can move to one thread only');
    const network = this.#nextLoaded++;
    const [first] = await this.#everywhere(
      (task) => ({ kind: 'open', task, network, source }),
      transfer ? movable(Object.values(source.constants ?? {})) : [],
    );
    const { inputs, outputs } = expect(first!, 'opened');
    const spent = { milliseconds: 0, runs: 0 };
    return {
      name: source.name,
      inputs,
      outputs,
      spent,
      run: async (feeds, options = {}) => {
        const answer = await this.#enqueue(
          { kind: 'run', task: this.#nextTask++, network, feeds, outputs: options.outputs },
          options.transfer ? movable(Object.values(feeds)) : [],
          options.priority ?? 0,
        );
        spent.milliseconds += answer.milliseconds;
        spent.runs += 1;
        return expect(answer, 'ran').outputs;
      },
      release: async () => {
        if (!this.#closed) await this.#everywhere((task) => ({ kind: 'release', task, network }));
      },
    };
  }

  /**
   * Starts a program on every thread.
   *
   * @param module whose default export is the program; see `threadEntry`
   * @throws what the program throws at its start
   */
  async start<Setup, Input, Output>(module: URL, setup: Setup): Promise<Program<Input, Output>> {
    const program = this.#nextLoaded++;
    await this.#everywhere((task) => ({ kind: 'start', task, program, module: module.href, setup }));
    return {
      call: async (input, transfer = []) => {
        const message = { kind: 'call', task: this.#nextTask++, program, input } as const;
        return expect(await this.#enqueue(message, transfer, 0), 'called').output as Output;
      },
    };
  }

  /**
   * Stops the threads. Waiting runs are rejected; those under way are let finish first, since a thread that is torn out of
   * native code takes the whole process with it.
   */
  async close(): Promise<void> {
    this.#closed = true;
    for (const task of this.#waiting.splice(0))
      task.reject(new FoilbankError('FB_CANCELLED', { what: 'inference' }));
    await Promise.all(this.#workers.map((w) => w.stop()));
  }

  #everywhere(message: (task: number) => ToThread, transfer: readonly ArrayBuffer[] = []): Promise<Answer[]> {
    return Promise.all(this.#workers.map((w) => w.ask(message(this.#nextTask++), transfer)));
  }

  async #enqueue(message: ToThread, transfer: readonly ArrayBuffer[], priority: number): Promise<Answer> {
    if (this.#closed) throw new FoilbankError('FB_CANCELLED', { what: 'inference' });
    const answer = await new Promise<Answer>((resolve, reject) => {
      const task = { message, transfer, priority, resolve, reject };
      const after = this.#waiting.findIndex((t) => t.priority < priority);
      this.#waiting.splice(after < 0 ? this.#waiting.length : after, 0, task);
      this.#dispatch();
    });
    this.#milliseconds += answer.milliseconds;
    return answer;
  }

  #dispatch(): void {
    while (this.#waiting.length > 0) {
      const free = this.#workers.find((w) => w.idle);
      if (!free) {
        const death = this.#workers.every((w) => w.death) ? this.#workers[0]?.death : undefined;
        if (death) for (const task of this.#waiting.splice(0)) task.reject(death);
        return;
      }
      const task = this.#waiting.shift();
      if (task) free.ask(task.message, task.transfer).then(task.resolve, task.reject);
    }
  }
}

/** The answer's result, which is of the kind that was asked for. */
function expect<K extends TaskResult['kind']>({ result }: Answer, kind: K): Extract<TaskResult, { kind: K }> {
  if (result.kind !== kind) throw new TypeError(`a thread answered with ${result.kind} instead of ${kind}`);
  return result as Extract<TaskResult, { kind: K }>;
}

interface Question {
  readonly settled: Promise<Answer>;
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

/** `Promise.withResolvers`, which Node 20 does not have. */
function withResolvers() {
  let resolve!: Question['resolve'];
  let reject!: Question['reject'];
  const promise = new Promise<Answer>((...both) => {
    [resolve, reject] = both;
  });
  return { promise, resolve, reject };
}

/** One worker thread and the questions it has not answered yet. */
class PooledThread {
  readonly #worker: Worker;
  readonly #asked = new Map<number, Question>();
  readonly #onIdle: () => void;
  /** Set once the thread is gone; it never comes back. */
  death: FoilbankError | undefined;

  constructor(intraOpNumThreads: number, onIdle: () => void) {
    this.#onIdle = onIdle;
    this.#worker = startThread(import.meta.url, './inference-thread.js', {
      workerData: { intraOpNumThreads },
      resourceLimits: { stackSizeMb: stackSizeFor([process.execPath, ...process.execArgv, ...process.argv]) },
    });
    this.#worker.unref();
    this.#worker.on('message', (reply: FromThread) => this.#answered(reply));
    this.#worker.on('error', (error) => this.#died(reasonOf(error), error));
    this.#worker.on('exit', (code) => this.#died(`exit code ${code}`));
  }

  get idle(): boolean {
    return this.#asked.size === 0 && !this.death;
  }

  ask(message: ToThread, transfer: readonly ArrayBuffer[] = []): Promise<Answer> {
    if (this.death) return Promise.reject(this.death);
    const { promise: settled, resolve, reject } = withResolvers();
    this.#worker.ref();
    this.#asked.set(message.task, { settled, resolve, reject });
    try {
      this.#worker.postMessage(message, transfer);
    } catch (error) {
      this.#settle(message.task)?.reject(error as Error);
    }
    return settled;
  }

  async stop(): Promise<void> {
    // A question that changes nothing: torn out of loading the native library, too, a thread would abort the process.
    const loaded = this.ask({ kind: 'release', task: -1, network: -1 });
    await Promise.allSettled([loaded, ...[...this.#asked.values()].map(({ settled }) => settled)]);
    await this.#worker.terminate();
  }

  #settle(task: number) {
    const waiting = this.#asked.get(task);
    this.#asked.delete(task);
    // An idle thread must not keep a finished process alive; a busy one must.
    if (this.#asked.size === 0) this.#worker.unref();
    return waiting;
  }

  #answered(reply: FromThread): void {
    const waiting = this.#settle(reply.task);
    if (reply.ok) waiting?.resolve(reply);
    else waiting?.reject(unpackError(reply.error));
    this.#onIdle();
  }

  #died(reason: string, cause?: Error): void {
    this.death ??= new FoilbankError('FB_INFERENCE_THREAD_DIED', { reason }, { cause });
    for (const { reject } of this.#asked.values()) reject(this.death);
    this.#asked.clear();
    this.#onIdle();
  }
}
