import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { FileStore } from '../src/bank/index.js';
import { resolveConfig } from '../src/config.js';
import { InferencePool } from '../src/onnx/index.js';
import { buildBank, DEFAULT_NETWORKS, findNetworks, type Networks } from '../src/pipeline/index.js';

const OPTIONS = {
  size: { type: 'string', default: '2000' },
  generator: { type: 'string', default: DEFAULT_NETWORKS.generator },
  /** Generators that it is compared with, by turns, in builds of at most 2,000; none: ''. */
  against: { type: 'string', default: 'foilgan-64' },
  rounds: { type: 'string', default: '2' },
  threads: { type: 'string', default: String(availableParallelism()) },
} as const;

const MOST_COMPARED = 2000;

/**
 * What a build costs beyond its networks: wall time by time inside ONNX sessions per thread (aim: at most 1.15), and the
 * most memory that the process ever held (aim: under 1.5 GB at 20,000 candidates). And what it costs beside a build with another
 * generator: by default that of the same network whose faces get no faults.
 */
export async function benchBuild(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  const [size, threads, rounds] = [values.size, values.threads, values.rounds].map(Number) as [
    number,
    number,
    number,
  ];
  const { cards, cache } = resolveConfig();
  const networksOf = (generator: string) =>
    findNetworks({ cards, cache }, { ...DEFAULT_NETWORKS, generator });
  await build(await networksOf(values.generator), size, threads, true);
  const others = values.against.split(',').filter(Boolean);
  if (others.length === 0) return;
  const names = [values.generator, ...others];
  const costs = names.map(() => [] as Cost[]);
  for (let round = 0; round < rounds; round++)
    for (const [i, name] of names.entries())
      costs[i]!.push(await build(await networksOf(name), Math.min(size, MOST_COMPARED), threads, false));
  const best = (i: number, what: keyof Cost) => Math.min(...costs[i]!.map((cost) => cost[what]));
  for (const [i, name] of names.entries()) {
    if (i === 0) continue;
    const ratio = (what: keyof Cost) => (best(0, what) / best(i, what)).toFixed(3);
    console.log(
      `  ${values.generator} by ${name}, the best of ${rounds}: wall time ${ratio('wall')}, processor time ${ratio('processor')}`,
    );
  }
}

/** In seconds, the start of threads and sessions left out. */
interface Cost {
  readonly wall: number;
  readonly processor: number;
}

async function build(networks: Networks, size: number, threads: number, said: boolean): Promise<Cost> {
  const folder = await mkdtemp(join(tmpdir(), 'foilbank-bench-'));
  const pool = new InferencePool({ threads });
  try {
    const started = performance.now();
    let first: { at: number; processor: number } | undefined;
    const { manifest } = await buildBank({
      ...{ pool, networks, store: new FileStore(folder), bank: 'bench', options: { size } },
      onProgress: () => {
        first ??= { at: performance.now(), processor: processorSeconds() };
      },
    });
    const ended = performance.now();
    const seconds = (ended - started) / 1000;
    const inside = pool.milliseconds / 1000 / threads;
    const { generated, accepted } = manifest.counts;
    if (said)
      console.log(
        [
          `bank build, ${networks.generator.card.name}: ${accepted} candidates of ${generated} seeds, ${threads} threads`,
          `  wall / time inside sessions  ${(seconds / inside).toFixed(3)}   (${seconds.toFixed(1)} s / ${inside.toFixed(1)} s a thread)`,
          `  most memory held             ${(process.resourceUsage().maxRSS / 1e6).toFixed(2)} GB`,
        ].join('\n'),
      );
    const { at, processor } = first!;
    return { wall: (ended - at) / 1000, processor: processorSeconds() - processor };
  } finally {
    await pool.close();
    await rm(folder, { recursive: true });
  }
}

function processorSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
