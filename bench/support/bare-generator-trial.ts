import { resolveConfig } from '../../src/config.js';
import { findModel, InferencePool } from '../../src/onnx/index.js';
import { DEFAULT_NETWORKS } from '../../src/pipeline/index.js';
import { Generator } from '../../src/synthesis/index.js';

/** The generator alone in one thread of a process of its own, batch upon batch: what the machine's cores leave of one another. */
const SECONDS = 8;
const BATCH = 32;
const pool = new InferencePool({ threads: 1, intraOpNumThreads: 1 });
const { cards, cache } = resolveConfig();
const model = await findModel({ cards, cache }, DEFAULT_NETWORKS.generator, 'generator');
const generator = await Generator.open(pool, model, { batch: BATCH });
const seeds = Array.from({ length: BATCH }, (_, i) => i);
const one = () => generator.generate(seeds, model.card.psi.default);
await one();
process.once('message', async () => {
  const started = performance.now();
  let images = 0;
  while (performance.now() - started < 1000 * SECONDS) {
    await one();
    images += BATCH;
  }
  process.send?.(images / SECONDS, () => process.exit(0));
});
process.send?.('ready');
