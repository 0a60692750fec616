import type { Manifest } from '../bank/index.js';
import { FoilbankError, reasonOf } from '../errors.js';
import { unpackError } from '../onnx/index.js';
import { startThread } from '../thread-entry.js';
import type { FromGallery, GalleryTask, VersionSpread } from './gallery-messages.js';
import { OnceCache } from './once-cache.js';

type Version = Pick<Manifest, 'bank' | 'version'>;

/** Bytes of all seeds that are kept: eight million candidates. */
const SEED_BYTES = 2 ** 26;
/** Versions whose histograms are kept. */
const SPREADS = 256;

/**
 * What is known of a version's candidates, read once by a thread that ends when it has answered. Of each kind one at a time, so
 * that looking at banks takes little from lookups; seeds do not wait for histograms, which may take seconds.
 */
export class GalleryReader {
  readonly #seeds = new OnceCache<Float64Array>({
    maxSize: SEED_BYTES,
    sizeOf: ({ byteLength }) => Math.max(1, byteLength),
  });
  readonly #spreads = new OnceCache<VersionSpread>({ maxSize: SPREADS, sizeOf: () => 1 });
  readonly #last: Record<GalleryTask['what'], Promise<unknown>> = {
    seeds: Promise.resolve(),
    spread: Promise.resolve(),
  };
  #closed = false;

  /** @param store its location */
  constructor(readonly store: string) {}

  /** Of all candidates, ascending, shape [n]. @throws FoilbankError as `openBank`, FB_INFERENCE_THREAD_DIED, FB_STOPPING */
  seeds({ bank, version }: Version): Promise<Float64Array> {
    return this.#seeds.get(`${bank}/${version}`, async () => {
      const answer = await this.#ask({ what: 'seeds', store: this.store, bank, version });
      if (answer.kind !== 'seeds') throw new TypeError('seeds were asked for');
      return answer.seeds;
    });
  }

  /** @throws FoilbankError as `openSupport`, FB_INFERENCE_THREAD_DIED, FB_STOPPING */
  spread({ bank, version }: Version): Promise<VersionSpread> {
    return this.#spreads.get(`${bank}/${version}`, async () => {
      const answer = await this.#ask({ what: 'spread', store: this.store, bank, version });
      if (answer.kind !== 'spread') throw new TypeError('a spread was asked for');
      return answer.spread;
    });
  }

  /** Waits for the threads under way: torn out of native code it would take the process with it. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(Object.values(this.#last));
  }

  #ask(task: GalleryTask): Promise<FromGallery> {
    const answer = this.#last[task.what].then(() => {
      if (this.#closed) throw new FoilbankError('FB_STOPPING', {});
      return answerOf(task);
    });
    this.#last[task.what] = answer.catch(() => {});
    return answer;
  }
}

/** Resolves once the thread has ended. */
function answerOf(task: GalleryTask): Promise<FromGallery> {
  return new Promise((resolve, reject) => {
    const worker = startThread(import.meta.url, './gallery-thread.js', { workerData: task });
    const died = (reason: string, cause?: Error) =>
      new FoilbankError('FB_INFERENCE_THREAD_DIED', { reason }, { cause });
    let answer: FromGallery | undefined;
    worker.on('message', (message: FromGallery) => {
      answer = message;
    });
    worker.on('error', (error) => reject(died(reasonOf(error), error)));
    worker.on('exit', (code) => {
      if (!answer) reject(died(`exit code ${code}`));
      else if (answer.kind === 'failed') reject(unpackError(answer.error));
      else resolve(answer);
    });
  });
}
