import { Worker } from 'node:worker_threads';
import { FoilbankError, reasonOf } from '../errors.js';
import { unpackError } from '../onnx/index.js';
import { threadEntry } from '../thread-entry.js';
import type { Answer, EngineFacts, EngineSetup, FromEngine, Question, ToEngine } from './engine-messages.js';

interface Asked {
  resolve(answer: Answer): void;
  reject(error: unknown): void;
}

/** One bank version in a thread of its own: loading, searching and summing up never hold the thread that talks to clients. */
export class Engine {
  readonly #asked = new Map<number, Asked>();
  #nextTask = 0;
  #end: FoilbankError | undefined;

  private constructor(
    readonly facts: EngineFacts,
    readonly worker: Worker,
  ) {
    worker.on('message', (reply: FromEngine) => this.#answered(reply));
    worker.on('error', (error) => this.#ended(reasonOf(error), error));
    worker.on('exit', (code) => this.#ended(`exit code ${code}`));
  }

  /**
   * Loads, verifies and warms a version.
   *
   * @throws FoilbankError of `openSupport`, FB_GATE_FAILED, FB_INFERENCE_THREAD_DIED
   */
  static async open(setup: EngineSetup): Promise<Engine> {
    const worker = new Worker(threadEntry(import.meta.url, './engine-thread.js'), { workerData: setup });
    try {
      const facts = await new Promise<EngineFacts>((resolve, reject) => {
        worker.once('message', (reply: FromEngine) => {
          if (reply.kind === 'opened') resolve(reply.facts);
          else if (reply.kind === 'unopened') reject(unpackError(reply.error));
          else reject(new TypeError('an engine answered before it was asked'));
        });
        // Both stay: once the promise is settled they change nothing.
        worker.once('error', (error) => reject(died(reasonOf(error), error)));
        worker.once('exit', (code) => reject(died(`exit code ${code}`)));
      });
      return new Engine(facts, worker);
    } catch (error) {
      await worker.terminate();
      throw error;
    }
  }

  /** Whether the thread ended although nobody closed it. */
  get dead(): boolean {
    return this.#end?.code === 'FB_INFERENCE_THREAD_DIED';
  }

  /** @throws FoilbankError FB_EMBEDDING_…, FB_OPTION_INVALID, FB_INFERENCE_THREAD_DIED, FB_CANCELLED */
  ask(question: Question): Promise<Answer> {
    if (this.#end) return Promise.reject(this.#end);
    return new Promise((resolve, reject) => {
      const task = this.#nextTask++;
      this.#asked.set(task, { resolve, reject });
      const message: ToEngine = { kind: 'ask', task, question };
      this.worker.postMessage(message, [question.queries.buffer as ArrayBuffer]);
    });
  }

  /** The thread ends once its own threads have: torn out of native code they would take the process with them. */
  async close(): Promise<void> {
    if (this.#end) return;
    this.#end = new FoilbankError('FB_CANCELLED', { what: 'lookup' });
    const gone = new Promise((resolve) => this.worker.once('exit', resolve));
    this.worker.postMessage({ kind: 'close' } satisfies ToEngine);
    await gone;
  }

  #answered(reply: FromEngine): void {
    if (reply.kind !== 'answered' && reply.kind !== 'failed') return;
    const waiting = this.#asked.get(reply.task);
    this.#asked.delete(reply.task);
    if (reply.kind === 'answered') waiting?.resolve(reply.answer);
    else waiting?.reject(unpackError(reply.error));
  }

  #ended(reason: string, cause?: Error): void {
    this.#end ??= died(reason, cause);
    for (const { reject } of this.#asked.values()) reject(this.#end);
    this.#asked.clear();
  }
}

const died = (reason: string, cause?: Error) =>
  new FoilbankError('FB_INFERENCE_THREAD_DIED', { reason }, { cause });
