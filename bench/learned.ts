import { parseArgs } from 'node:util';
import {
  type Estimator,
  LearnedEstimator,
  type Lessons,
  learnEstimator,
  VirtualEstimator,
} from '../src/discrepancy/index.js';
import { ExactEngine, SupportSearch } from '../src/neighbours/index.js';
import { InferencePool } from '../src/onnx/index.js';
import { latents } from '../src/synthesis/index.js';
import { covarianceOf, momentsOf, type UnitMatrix } from '../src/vectors/index.js';
import { bunchedVectors } from './support/bunched-vectors.js';

const OPTIONS = {
  candidates: { type: 'string', default: '100000' },
  dimension: { type: 'string', default: '128' },
  k: { type: 'string', default: '64,1024' },
  batch: { type: 'string', default: '256' },
  /** How long each speed is measured. */
  seconds: { type: 'string', default: '4' },
  lessons: { type: 'string', default: '4000' },
  steps: { type: 'string', default: '400' },
} as const;
const TURNS = 8;
/** As many as a calibration has at most. */
const COMPONENTS = 8;

/**
 * r and σ by the learned estimator against lookup in the bank, over bunched vectors, by turns in one process. The network is the
 * one that `foilbank learn` makes, learned for a moment only: its speed does not hang on that, its error does.
 */
export async function benchLearned(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  const [rows, dimension, batch] = [values.candidates, values.dimension, values.batch].map(Number) as [
    number,
    number,
    number,
  ];
  const pool = new InferencePool();
  try {
    const candidates = bunchedVectors({ rows, dimension, seed: 1 });
    const exact = await ExactEngine.create({ candidates, pool });
    const search = new SupportSearch({ engine: exact, exact, samePersonCeiling: 1 });
    const queries = bunchedVectors({ rows: Number(values.lessons), dimension, seed: 2 });
    const moments = momentsOf(queries);
    const one = { weight: 1 / COMPONENTS, mean: moments.mean, covariance: covarianceOf(moments) };
    const mixture = new Array<typeof one>(COMPONENTS).fill(one);
    const asked = bunchedVectors({ rows: 16 * batch, dimension, seed: 3 });
    console.log(`${rows} candidates × ${dimension}, batches of ${batch}, ${pool.threads} threads`);
    for (const k of values.k.split(',').map(Number)) {
      const virtual = new VirtualEstimator(search, k);
      const lessons: Lessons = { queries, ...(await virtual.estimate(queries)), mixture };
      const learned = await opened(pool, lessons, virtual, Number(values.steps));
      const requests = Array.from({ length: 16 }, (_, i) => asked.slice(i * batch, (i + 1) * batch));
      const [byLookup, byNetwork] = await rates(
        pool.threads,
        [virtual, learned],
        requests,
        Number(values.seconds),
      );
      for (const what of ['processor', 'wall'] as const)
        console.log(
          `K ${k}, ${what} time: lookup ${byLookup![what].toFixed(0)}/s, learned ${byNetwork![what].toFixed(0)}/s, ×${(byNetwork![what] / byLookup![what]).toFixed(0)}`,
        );
      await learned.close();
    }
  } finally {
    await pool.close();
  }
}

async function opened(pool: InferencePool, lessons: Lessons, bank: VirtualEstimator, steps: number) {
  let seed = 0;
  const { graph, card } = await learnEstimator(lessons, {
    ...{ pool, steps },
    normals: (count) => latents([seed++], count),
  });
  const { dimension } = lessons.queries;
  return LearnedEstimator.open({ pool, graph, dimension, distanceLimit: card.distanceLimit, bank });
}

/** Embeddings a second of each estimator: by turns, with as many requests under way as there are threads. */
async function rates(
  threads: number,
  estimators: readonly Estimator[],
  requests: readonly UnitMatrix[],
  seconds: number,
): Promise<{ processor: number; wall: number }[]> {
  const spent = estimators.map(() => ({ done: 0, wall: 0, processor: 0 }));
  let next = 0;
  for (let turn = -1; turn < TURNS; turn++)
    for (const [i, estimator] of estimators.entries()) {
      const [started, before] = [performance.now(), process.cpuUsage()];
      const until = started + (1000 * seconds) / TURNS;
      let done = 0;
      const lane = async () => {
        do {
          const request = requests[next++ % requests.length]!;
          await estimator.estimate(request);
          done += request.rows;
        } while (performance.now() < until);
      };
      await Promise.all(Array.from({ length: threads }, lane));
      // The first turn pays for memory.
      if (turn < 0) continue;
      const { user, system } = process.cpuUsage(before);
      spent[i]!.done += done;
      spent[i]!.wall += (performance.now() - started) / 1000;
      spent[i]!.processor += (user + system) / 1e6;
    }
  return spent.map(({ done, wall, processor }) => ({ wall: done / wall, processor: done / processor }));
}
