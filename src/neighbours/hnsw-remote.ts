import type { Worker } from 'node:worker_threads';
import { FoilbankError, reasonOf } from '../errors.js';
import { startThread } from '../thread-entry.js';
import type {
  FromHnswThread,
  HnswFound,
  HnswQuestion,
  HnswThreadData,
  ToHnswThread,
} from './hnsw-messages.js';

interface Asked {
  readonly action: string;
  resolve(found: HnswFound | undefined): void;
  reject(error: Error): void;
}

/** An hnswlib index in a worker thread, and the questions that it has not answered yet. */
export class RemoteIndex {
  readonly #worker: Worker;
  readonly #stop = new Int32Array(new SharedArrayBuffer(4));
  readonly #gone: Promise<void>;
  readonly #asked = new Map<number, Asked>();
  #nextTask = 0;
  #end: FoilbankError | undefined;

  constructor(onProgress?: (done: number) => void) {
    this.#worker = startThread(import.meta.url, './hnsw-thread.js', {
      workerData: { stop: this.#stop } satisfies HnswThreadData,
    });
    this.#gone = new Promise((resolve) => this.#worker.once('exit', () => resolve()));
    this.#worker.unref();
    this.#worker.on('message', (reply: FromHnswThread) => {
      if (reply.kind === 'progress') onProgress?.(reply.done);
      else this.#answered(reply);
    });
    this.#worker.on('error', (error) => this.#ended(failure('run', reasonOf(error), error)));
    this.#worker.on('exit', (code) => this.#ended(failure('run', `its thread ended with code ${code}`)));
  }

  /**
   * @param action what cannot be done, should it fail: "the index cannot be saved"
   * @param transfer buffers that move to the thread instead of being copied
   * @throws FoilbankError FB_INDEX_FAILED, FB_CANCELLED
   */
  ask(
    question: HnswQuestion,
    action: string,
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<HnswFound | undefined> {
    if (this.#end) return Promise.reject(this.#end);
    return new Promise((resolve, reject) => {
      const task = this.#nextTask++;
      this.#worker.ref();
      this.#asked.set(task, { action, resolve, reject });
      const message: ToHnswThread = { task, question };
      this.#worker.postMessage(message, transfer);
    });
  }

  /** Ends the thread between two calls of the library, and never in one. */
  close(what = 'searching the index'): Promise<void> {
    this.#ended(new FoilbankError('FB_CANCELLED', { what }));
    Atomics.store(this.#stop, 0, 1);
    this.#worker.ref();
    this.#worker.postMessage({ task: this.#nextTask } satisfies ToHnswThread);
    return this.#gone;
  }

  #answered(reply: Exclude<FromHnswThread, { kind: 'progress' }>): void {
    const waiting = this.#asked.get(reply.task);
    this.#asked.delete(reply.task);
    // An idle thread must not keep a finished process alive; a busy one must.
    if (this.#asked.size === 0) this.#worker.unref();
    if (reply.kind === 'done') waiting?.resolve(reply.found);
    else waiting?.reject(failure(waiting.action, reply.reason));
  }

  #ended(reason: FoilbankError): void {
    this.#end ??= reason;
    for (const { reject } of this.#asked.values()) reject(this.#end);
    this.#asked.clear();
  }
}

function failure(action: string, reason: string, cause?: unknown): FoilbankError {
  return new FoilbankError('FB_INDEX_FAILED', { action, reason }, { cause });
}
