import { FoilbankError } from '../errors.js';
import { unpackError } from '../onnx/index.js';
import type { Answer, EngineFacts, EngineSetup, FromEngine, Question } from './engine-messages.js';
import { EngineThread } from './engine-spare.js';

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
    readonly thread: EngineThread,
  ) {
    thread.worker.on('message', (reply: FromEngine) => this.#answered(reply));
    void thread.ended.then((why) => this.#ended(why));
  }

  /**
   * Loads, verifies and warms a version.
   *
   * @param thread that was started before
   * @throws FoilbankError of `openSupport`, FB_GATE_FAILED, FB_INFERENCE_THREAD_DIED
   */
  static async open(setup: EngineSetup, thread = new EngineThread(setup.threads)): Promise<Engine> {
    const opened = new Promise<EngineFacts>((resolve, reject) => {
      thread.worker.once('message', (reply: FromEngine) => {
        if (reply.kind === 'opened') resolve(reply.facts);
        else if (reply.kind === 'unopened') reject(unpackError(reply.error));
        else reject(new TypeError('an engine answered before it was asked'));
      });
      void thread.ended.then(reject);
    });
    thread.post({ kind: 'open', setup });
    try {
      return new Engine(await opened, thread);
    } catch (error) {
      await thread.close();
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
      this.thread.post({ kind: 'ask', task, question }, [question.queries.buffer as ArrayBuffer]);
    });
  }

  async close(): Promise<void> {
    if (this.#end) return;
    this.#end = new FoilbankError('FB_CANCELLED', { what: 'lookup' });
    await this.thread.close();
  }

  #answered(reply: FromEngine): void {
    if (reply.kind !== 'answered' && reply.kind !== 'failed') return;
    const waiting = this.#asked.get(reply.task);
    this.#asked.delete(reply.task);
    if (reply.kind === 'answered') waiting?.resolve(reply.answer);
    else waiting?.reject(unpackError(reply.error));
  }

  #ended(why: FoilbankError): void {
    this.#end ??= why;
    for (const { reject } of this.#asked.values()) reject(this.#end);
    this.#asked.clear();
  }
}
