import { parentPort, workerData } from 'node:worker_threads';
import { openBank, openStore } from '../bank/index.js';
import { InferencePool, packError } from '../onnx/index.js';
import { openSupport } from '../pipeline/index.js';
import { UnitMatrix } from '../vectors/index.js';
import type { FromGallery, GalleryTask, VersionSpread } from './gallery-messages.js';
import { evenRows, pairSimilarities, sampleOf, spreadOf } from './histogram.js';

const { what, store, bank, version } = workerData as GalleryTask;

/** Every hash is checked on the way, as for a version that goes into service. */
async function seedsOfBank(): Promise<Float64Array<ArrayBuffer>> {
  const { candidates } = await openBank(openStore(store), bank, { version });
  return new Float64Array(candidates.seeds);
}

async function spreadOfBank(): Promise<VersionSpread> {
  const pool = new InferencePool({ threads: 1 });
  try {
    const support = await openSupport(pool, openStore(store), bank, { version });
    const { seeds, embeddings, dimension } = support.bank.candidates;
    const rows = evenRows(seeds.length, sampleOf(seeds.length));
    const data = new Float32Array(rows.length * dimension);
    rows.forEach((row, i) => {
      data.set(embeddings.subarray(row * dimension, (row + 1) * dimension), i * dimension);
    });
    const { r } = await support.estimator.estimate(UnitMatrix.adopt(data, dimension), {
      // Nobody is his own foil.
      exclude: rows.map((row) => ({ rows: [row] })),
    });
    await support.close();
    return { r: spreadOf(r), similarity: spreadOf(pairSimilarities(data, dimension)) };
  } finally {
    await pool.close();
  }
}

const port = parentPort;
if (!port) throw new Error('gallery-thread runs as a worker thread only');
const post = (message: FromGallery, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);

try {
  if (what === 'seeds') {
    const seeds = await seedsOfBank();
    post({ kind: 'seeds', seeds }, [seeds.buffer]);
  } else post({ kind: 'spread', spread: await spreadOfBank() });
} catch (error) {
  post({ kind: 'failed', error: packError(error) });
}
port.close();
