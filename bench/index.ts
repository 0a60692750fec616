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

const OPTIONS = {
  sizes: { type: 'string', default: '10000,50000,200000' },
  k: { type: 'string', default: '16,64,256,1024' },
  engines: { type: 'string', default: 'exact,hnsw,usearch' },
  /** M, and efConstruction of hnswlib and usearch. */
  connections: { type: 'string', default: '16,32,48' },
  'ef-construction': { type: 'string', default: '200' },
  recall: { type: 'string', default: '0.95' },
  threads: { type: 'string', default: '1' },
  /** How long each speed is measured. */
  seconds: { type: 'string', default: '1' },
  /** JSON lines. Trials of an earlier run that are in it are not repeated, and all of them are reported. */
  results: { type: 'string', default: 'out/bench/index.jsonl' },
  /** Where the report goes besides the screen. */
  write: { type: 'string' },
  /** A small run that shows that everything works; its figures mean little. */
  quick: { type: 'boolean', default: false },
} as const;
const QUICK = { sizes: '5000', k: '16,256', connections: '16', 'ef-construction': '80', seconds: '0.2' };

type Key = Measured['trial'];

/**
 * Exact search, hnswlib and usearch over bunched vectors: time to build, queries per second, recall, error of r, memory, size
 * and time to load. Speeds are ratios to exact search, measured by turns with it.
 */
export async function benchIndex(args: readonly string[]): Promise<void> {
  const given = parseArgs({ args: [...args], options: OPTIONS }).values;
  const options = given.quick ? { ...given, ...QUICK } : given;
  const earlier = options.quick ? [] : readResults(options.results);
  const measured = [...earlier];
  for (const trial of trials(options)) {
    if (measured.some((m) => sameTrial(m.trial, trial))) continue;
    console.error(`${new Date().toISOString()} ${JSON.stringify(trial)}`);
    const result = await measure(trial, Number(options.seconds));
    measured.push(result);
    if (!options.quick) appendResult(options.results, result);
  }
  const report = indexReport(
    measured,
    `${cpus()[0]?.model ?? 'unknown processor'}, ${availableParallelism()} cores`,
  );
  console.log(report);
  if (options.write) writeFileSync(options.write, report);
}

function trials(options: { readonly [K in keyof typeof QUICK | 'engines' | 'recall' | 'threads']: string }) {
  const numbers = (list: string) => list.split(',').map(Number);
  const common = {
    dimension: 128,
    ks: numbers(options.k),
    recall: Number(options.recall),
    threads: Number(options.threads),
  };
  const efConstruction = Number(options['ef-construction']);
  const engines = options.engines.split(',');
  return numbers(options.sizes).flatMap((candidates): Key[] => [
    ...(engines.includes('exact') ? [{ ...common, engine: 'exact' as const, candidates }] : []),
    ...numbers(options.connections).flatMap((connections) =>
      (['hnsw', 'usearch'] as const)
        .filter((engine) => engines.includes(engine))
        .map((engine) => ({ ...common, engine, candidates, connections, efConstruction })),
    ),
  ]);
}

function sameTrial(a: Key, b: Key): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function readResults(file: string): Measured[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line) as Measured);
}

function appendResult(file: string, result: Measured): void {
  mkdirSync(dirname(file), { recursive: true });
  appendFileSync(file, `${JSON.stringify(result)}\n`);
}

async function measure(trial: Key, seconds: number): Promise<Measured> {
  const folder = mkdtempSync(join(tmpdir(), 'foilbank-bench-'));
  try {
    const whole = { ...trial, seconds, file: join(folder, 'index') };
    const built = trial.engine === 'exact' ? undefined : await inProcess<Built>({ ...whole, step: 'build' });
    const searched = await inProcess<Searched>({ ...whole, step: 'search' });
    return { trial, built, searched };
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
