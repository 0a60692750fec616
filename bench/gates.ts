import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { FileStore } from '../src/bank/index.js';
import { resolveConfig } from '../src/config.js';
import { FoilbankError } from '../src/errors.js';
import { InferencePool } from '../src/onnx/index.js';
import {
  type BuildRequest,
  buildBank,
  CandidateMaker,
  DEFAULT_NETWORKS,
  findNetworks,
  type GateResult,
  gatesAgainstService,
  LabelledPairs,
  type Networks,
} from '../src/pipeline/index.js';
import { type Sabotage, sabotages } from './support/sabotage.js';

const OPTIONS = {
  draws: { type: 'string', default: '1000x6' },
  sabotaged: { type: 'string', default: '1000' },
} as const;

type Built = Parameters<NonNullable<BuildRequest['gates']>>[0];
const GATES = [
  'yieldOfService',
  'nearDuplicates',
  'shiftOfCentre',
  'changeOfRadius',
  'shiftOfR',
  'changeOfSigma',
  'accuracy',
] as const;

/** Low readings fail. */
const FALLING: ReadonlySet<string> = new Set(['yieldOfService', 'accuracy']);
/** Absolute values of what is as often below zero: their own deviation is the root of their mean square. */
const FOLDED: ReadonlySet<string> = new Set(['changeOfRadius', 'shiftOfR', 'changeOfSigma']);

interface Draw {
  readonly bank: string;
  readonly built: Built;
}

/**
 * What the gates of a refresh read with the default networks: between draws that differ in nothing but their seeds (`--draws
 * 300x20,1000x10`: twenty of 300 and ten of 1,000, each against each), and between an honest draw and one whose making was
 * tampered with while its recipe says nothing of it (`--sabotaged 300,1000`: of these sizes). With FOILBANK_PAIRS, accuracy too. docs/refresh-gates.md has the tables.
 */
export async function benchGates(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  const { cards, cache, threads, pairs } = resolveConfig();
  const networks = await findNetworks({ cards, cache }, DEFAULT_NETWORKS);
  const folder = await mkdtemp(join(tmpdir(), 'foilbank-bench-'));
  const pool = new InferencePool({ threads });
  try {
    const trial = new Trial(
      ...([pool, new FileStore(folder), networks, await CandidateMaker.open(pool, networks)] as const),
      pairs && new LabelledPairs(pool, pairs),
    );
    const draws: Draw[] = [];
    for (const [size, count] of values.draws.split(',').map((part) => part.split('x').map(Number)))
      for (let i = 0; i < count!; i++) draws.push(await trial.draw(size!, draws.length + 1));
    await chanceTable(trial, draws);
    for (const size of values.sabotaged.split(',').filter(Boolean)) await sabotageTable(trial, Number(size));
  } finally {
    await pool.close();
    await rm(folder, { recursive: true });
  }
}

class Trial {
  constructor(
    readonly pool: InferencePool,
    private readonly store: FileStore,
    readonly networks: Networks,
    readonly maker: CandidateMaker,
    private readonly pairs: LabelledPairs | undefined,
  ) {}

  async draw(size: number, epoch: number, maker: CandidateMaker = this.maker): Promise<Draw> {
    const { pool, store, networks } = this;
    const bank = `of-${size}-${epoch}`;
    let kept: Built | undefined;
    await buildBank({
      ...{ pool, store, bank, networks, epoch, maker },
      options: { size, firstSeed: epoch * 2 ** 32, engine: 'exact' },
      gates: async (built) => {
        kept = built;
        return [];
      },
    });
    return { bank, built: kept as Built };
  }

  /** The gates of `after` with `before` in service. */
  async gates(before: Draw, after: Draw): Promise<readonly GateResult[]> {
    const { pool, store, networks, maker, pairs } = this;
    // Probes as a machine that noticed nothing has kept them.
    const fresh = { ...after.built, maker };
    const accuracy = pairs && { pairs, networks };
    return (await gatesAgainstService({ pool, store, bank: before.bank, fresh, accuracy })).gates;
  }
}

async function chanceTable(trial: Trial, draws: readonly Draw[]): Promise<void> {
  const groups = new Map<string, GateResult[][]>();
  for (const before of draws)
    for (const after of draws) {
      if (before === after) continue;
      const sizes = `${before.built.options.size} → ${after.built.options.size}`;
      groups.set(sizes, [...(groups.get(sizes) ?? []), [...(await trial.gates(before, after))]]);
    }
  console.log('| sizes | pairs | gate | mean | deviation | worst | limit | margin in deviations | alarms |');
  console.log('|---|---|---|---|---|---|---|---|---|');
  for (const [sizes, pairs] of groups)
    for (const { gate } of pairs[0]!) {
      const results = pairs.map((gates) => gates.find((g) => g.gate === gate)!);
      const limit = mean(results.map((g) => g.limit));
      const readings = results.map((g) => g.value);
      const rising = !FALLING.has(gate);
      const worst = rising ? Math.max(...readings) : Math.min(...readings);
      const deviation = deviationOf(readings);
      const margin = FOLDED.has(gate)
        ? limit / Math.hypot(mean(readings), deviation)
        : Math.abs(mean(results.map((g) => g.limit - g.value))) /
          deviationOf(results.map((g) => g.limit - g.value));
      const alarms = results.filter((g) => !g.passed).length;
      const figures = [mean(readings), deviation, worst, limit].map((v) => v.toFixed(4)).join(' | ');
      console.log(`| ${sizes} | ${pairs.length} | ${gate} | ${figures} | ${margin.toFixed(1)} | ${alarms} |`);
    }
}

async function sabotageTable(trial: Trial, size: number): Promise<void> {
  const before = await trial.draw(size, 1001);
  console.log(`\n| sabotage of ${size} | ${GATES.join(' | ')} |\n|${'---|'.repeat(GATES.length + 1)}`);
  let epoch = 1002;
  for (const sabotage of sabotages(trial))
    console.log(`| ${sabotage.name} | ${await readingsOf(trial, before, sabotage, size, epoch++)} |`);
}

/** Value by limit, in bold where the gate fails. */
async function readingsOf(trial: Trial, before: Draw, { make }: Sabotage, size: number, epoch: number) {
  try {
    const gates = await trial.gates(before, await trial.draw(size, epoch, await make()));
    return gates
      .map(({ passed, value, limit }) => {
        const text = `${value.toFixed(3)} / ${limit.toFixed(3)}`;
        return passed ? text : `**${text}**`;
      })
      .join(' | ');
  } catch (error) {
    if (error instanceof FoilbankError) return `**${error.code}**`;
    throw error;
  }
}

function deviationOf(values: readonly number[]): number {
  const centre = mean(values);
  return Math.sqrt(mean(values.map((v) => (v - centre) ** 2)));
}

const mean = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0) / values.length;
