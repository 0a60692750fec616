import type { Worker } from 'node:worker_threads';
import { FoilbankError, reasonOf } from '../errors.js';
import { startThread } from '../thread-entry.js';
import type { ToEngine } from './engine-messages.js';

/** A thread for a version that is still to be named: what an engine needs is imported meanwhile. */
export class EngineThread {
  readonly worker: Worker;
  /** Why it ended, once it has. */
  readonly ended: Promise<FoilbankError>;

  /** @param threads cores that one search may use */
  constructor(threads: number) {
    const worker = startThread(import.meta.url, './engine-thread.js', {
      workerData: { threads },
    });
    this.worker = worker;
    this.ended = new Promise((resolve) => {
      const died = (reason: string, cause?: Error) =>
        resolve(new FoilbankError('FB_INFERENCE_THREAD_DIED', { reason }, { cause }));
      worker.once('error', (error) => died(reasonOf(error), error));
      worker.once('exit', (code) => died(`exit code ${code}`));
    });
  }

  post(message: ToEngine, transfer: readonly ArrayBuffer[] = []): void {
    this.worker.postMessage(message, transfer);
  }

  /** It ends once its own threads have: torn out of native code they would take the process with them. */
  async close(): Promise<void> {
    this.post({ kind: 'close' });
    await this.ended;
  }
}
