import { fork } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { indexReport, type Measured } from './support/index-report.js';
import type { Built, Searched, Trial } from './support/index-trial.js';

/**
 * `node dist/bench/index.js`: exact search, hnswlib and usearch over bunched vectors: time to build, queries per second, recall,
 * error of r, memory, size and time to load. Speeds are ratios to exact search, measured by turns with it.
 */
const { values: options } = parseArgs({
  options: {
    sizes: { type: 'string', default: '10000,50000,200000' },
    k: { type: 'string', default: '16,64,256,1024' },
    engines: { type: 'string', default: 'exact,hnsw,usearch' },
    connections: { type: 'string', default: '16,32,48' },
    'ef-construction': { type: 'string', default: '200' },
    recall: { type: 'string', default: '0.95' },
    seconds: { type: 'string', default: '1' },
    threads: { type: 'string', default: '1' },
    /** JSON lines; trials that are in it already are not repeated. */
    results: { type: 'string', default: 'out/bench/index.jsonl' },
    /** Where the report goes besides the screen. */
    write: { type: 'string' },
    /** A small run that shows that everything works; its figures mean little. */
    quick: { type: 'boolean', default: false },
  },
});
if (options.quick)
  Object.assign(options, {
    sizes: '5000',
    k: '16,256',
    connections: '16',
    'ef-construction': '80',
    seconds: '0.2',
  });
const numbers = (list: string) => list.split(',').map(Number);

const measured: Measured[] = [];
for (const trial of trials()) measured.push(earlier(trial) ?? (await run(trial)));
const report = indexReport(
  measured,
  `${cpus()[0]?.model ?? 'unknown processor'}, ${availableParallelism()} cores, ${options.threads} of them for each engine`,
);
console.log(report);
if (options.write) writeFileSync(options.write, report);

function trials(): Measured['trial'][] {
  const common = { dimension: 128, ks: numbers(options.k), recall: Number(options.recall) };
  const efConstruction = Number(options['ef-construction']);
  const engines = options.engines.split(',');
  return numbers(options.sizes).flatMap((candidates) => [
    ...(engines.includes('exact') ? [{ ...common, engine: 'exact' as const, candidates }] : []),
    ...numbers(options.connections).flatMap((connections) =>
      (['hnsw', 'usearch'] as const)
        .filter((engine) => engines.includes(engine))
        .map((engine) => ({ ...common, engine, candidates, connections, efConstruction })),
    ),
  ]);
}

/** The result of the same trial in an earlier run. */
function earlier(trial: Measured['trial']): Measured | undefined {
  if (options.quick || !existsSync(options.results)) return undefined;
  return readFileSync(options.results, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Measured)
    .find((m) => JSON.stringify(m.trial) === JSON.stringify(trial));
}

async function run(trial: Measured['trial']): Promise<Measured> {
  console.error(`${new Date().toISOString()} ${JSON.stringify(trial)}`);
  const folder = mkdtempSync(join(tmpdir(), 'foilbank-bench-'));
  try {
    const whole = {
      ...trial,
      threads: Number(options.threads),
      seconds: Number(options.seconds),
      file: join(folder, 'index'),
    };
    const built = trial.engine === 'exact' ? undefined : await inProcess<Built>({ ...whole, step: 'build' });
    const searched = await inProcess<Searched>({ ...whole, step: 'search' });
    const result = { trial, built, searched };
    if (!options.quick) {
      mkdirSync(dirname(options.results), { recursive: true });
      appendFileSync(options.results, `${JSON.stringify(result)}\n`);
    }
    return result;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function inProcess<T>(trial: Trial): Promise<T> {
  const entry = fileURLToPath(new URL('./support/index-trial.js', import.meta.url));
  const child = fork(entry, [JSON.stringify(trial)], { execArgv: ['--expose-gc'] });
  return new Promise((resolve, reject) => {
    child.once('message', (result) => resolve(result as T));
    child.once('error', reject);
    child.once('exit', (code) =>
      reject(new Error(`trial ended with code ${code}: ${JSON.stringify(trial)}`)),
    );
  });
}
