import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { FileStore } from '../src/bank/index.js';
import { resolveConfig } from '../src/config.js';
import { findModel, InferencePool } from '../src/onnx/index.js';
import { buildBank } from '../src/pipeline/index.js';

const OPTIONS = {
  size: { type: 'string', default: '2000' },
  generator: { type: 'string', default: 'foilgan-64' },
  threads: { type: 'string', default: String(availableParallelism()) },
} as const;

/**
 * What a build costs beyond its networks: wall time by time inside ONNX sessions per thread (aim: at most 1.15), and the
 * most memory that the process ever held (aim: under 1.5 GB at 20,000 candidates).
 */
export async function benchBuild(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  const [size, threads] = [Number(values.size), Number(values.threads)];
  const { cards, cache } = resolveConfig();
  const folders = { cards, cache };
  const networks = {
    generator: await findModel(folders, values.generator, 'generator'),
    embedder: await findModel(folders, 'recogniser', 'embedder'),
    detector: await findModel(folders, 'detector', 'detector'),
    landmarks: await findModel(folders, 'landmarks', 'landmarks'),
  };
  const folder = await mkdtemp(join(tmpdir(), 'foilbank-bench-'));
  const pool = new InferencePool({ threads });
  try {
    const started = performance.now();
    const { manifest } = await buildBank({
      pool,
      store: new FileStore(folder),
      bank: 'bench',
      networks,
      options: { size },
    });
    const seconds = (performance.now() - started) / 1000;
    const inside = pool.milliseconds / 1000 / threads;
    const { generated, accepted } = manifest.counts;
    console.log(
      [
        `bank build: ${accepted} candidates of ${generated} seeds, ${threads} threads`,
        `  wall / time inside sessions  ${(seconds / inside).toFixed(3)}   (${seconds.toFixed(1)} s / ${inside.toFixed(1)} s a thread)`,
        `  most memory held             ${(process.resourceUsage().maxRSS / 1e6).toFixed(2)} GB`,
      ].join('\n'),
    );
  } finally {
    await pool.close();
    await rm(folder, { recursive: true });
  }
}
