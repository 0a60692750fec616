import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parentPort, workerData } from 'node:worker_threads';
import { InferencePool, packError } from '../onnx/index.js';
import type { FromEngine, ToEngine } from './engine-messages.js';
import type { LoadedVersion } from './loaded-version.js';

/** The thread of one bank version, which is named by its first message. */
const { threads } = workerData as { threads: number };
// One thread that may use every core: the candidates lie in memory once. It loads the native library while this one goes on.
const pool = new InferencePool({ threads: 1, intraOpNumThreads: Math.min(64, threads) });
const { answerOf, loadVersion } = await import('./loaded-version.js');

/** Files that were read weigh more than the bank does: they are given back now, not when a collection is due. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

const port = parentPort;
if (!port) throw new Error('engine-thread runs as a worker thread only');
const post = (message: FromEngine, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);
let opening: Promise<LoadedVersion> | undefined;

port.on('message', async (message: ToEngine) => {
  if (message.kind === 'close') {
    // An HNSW index has a thread of its own, which must not be torn out of a search.
    await opening?.then((version) => version.close()).catch(() => {});
    await pool.close();
    port.close();
    return;
  }
  if (message.kind === 'open') {
    opening = loadVersion(pool, message.setup);
    opening.then(
      ({ facts }) => {
        post({ kind: 'opened', facts });
        collectGarbage();
      },
      (error: unknown) => post({ kind: 'unopened', error: packError(error) }),
    );
    return;
  }
  const { task, question } = message;
  try {
    const answer = await answerOf((await opening)!, question);
    const large = Object.values(answer).filter((v) => ArrayBuffer.isView(v) && v.byteLength > 4096);
    post(
      { kind: 'answered', task, answer },
      large.map((v) => v.buffer as ArrayBuffer),
    );
  } catch (error) {
    post({ kind: 'failed', task, error: packError(error) });
  }
});
