import { availableParallelism } from 'node:os';
import { median } from './median.js';
import type { Load, Loaded } from './service-load-trial.js';

/** What this process answers. */
export interface InProcess {
  /** Embeddings a second. */
  readonly rate: number;
  /** How many it keeps busy. */
  readonly cores: number;
}

/** Embeddings of a large request. */
const MANY = 256;
/** Seconds of large requests before any are measured: there are so few a second that their code is being compiled for half a minute. */
const WARM_UP = 30;

export interface LoadTrials {
  readonly k: number;
  readonly dimension: number;
  readonly connections: number;
  /** Of every trial. */
  readonly seconds: number;
  readonly rounds: number;
  readonly urls: { readonly [peer in 'plain' | 'empty' | 'grpcJs' | 'service']: string };
  /** @param rows of a batch */
  engine(k: number, rows: number): Promise<InProcess>;
  generate(load: Load): Promise<Loaded>;
}

/** All are asked in every round, as the machine is not as fast in one as in the next: medians over the rounds, of ratios too. */
export async function measureLoad({ urls, rounds, engine, generate, ...common }: LoadTrials): Promise<void> {
  const { k } = common;
  const one = { ...common, batch: 1, protocol: 'grpc' } as const;
  const many = { ...one, batch: MANY, connections: 4 };
  const trials: readonly (readonly [string, Load])[] = [
    ['plain handler, gRPC', { ...one, url: urls.plain }],
    ['plain handler, Connect', { ...one, url: urls.plain, protocol: 'connect' }],
    ['empty handler, gRPC', { ...one, url: urls.empty }],
    ['empty handler, Connect', { ...one, url: urls.empty, protocol: 'connect' }],
    ['empty handler, gRPC by grpc-js', { ...one, url: urls.grpcJs }],
    ['service, gRPC', { ...one, url: urls.service }],
    ['service, Connect', { ...one, url: urls.service, protocol: 'connect' }],
    ['empty handler, gRPC by grpc-js, 256 a request', { ...many, url: urls.grpcJs }],
    ['service, gRPC, 256 a request', { ...many, url: urls.service }],
  ];
  const loaded = trials.map((): Loaded[] => []);
  const inProcess = new Map<number, InProcess[]>([
    [64, []],
    [MANY, []],
  ]);
  for (const [, trial] of trials) if (trial.batch === MANY) await generate({ ...trial, seconds: WARM_UP });
  for (let round = 0; round < rounds; round++) {
    for (const [rows, some] of inProcess) some.push(await engine(k, rows));
    for (const [i, [, trial]] of trials.entries()) loaded[i]!.push(await generate(trial));
  }
  const large = inProcess.get(MANY)!.map((one) => one.rate);
  const ready = inProcess.get(64)!.map((one) => one.rate);
  for (const [rows, some] of inProcess) {
    const [rate, cores] = [some.map((one) => one.rate), some.map((one) => one.cores)].map(median);
    console.log(
      `K=${k} in-process, batches of ${rows}: ${rate!.toFixed(0)}/s, ${cores!.toFixed(2)} of ${availableParallelism()} cores busy`,
    );
  }
  for (const [i, [name, { protocol, batch }]] of trials.entries()) {
    const mine = loaded[i]!;
    const empty = loaded[protocol === 'grpc' ? 2 : 3]!;
    const rate = mine.map((one) => one.rate);
    const ratioTo = (others: readonly number[]) =>
      median(rate.map((r, round) => r / others[round]!)).toFixed(2);
    const [toPlain, toEmpty] = [loaded[0]!, empty].map((others) => ratioTo(others.map((one) => one.rate)));
    console.log(
      [
        `K=${k} ${name}: ${median(rate).toFixed(0)}/s, ${toPlain} × plain, ${ratioTo(batch === MANY ? large : ready)} of in-process, ${toEmpty} of empty`,
        `p50 ${median(mine.map((one) => one.p50)).toFixed(1)} ms, p99 ${median(mine.map((one) => one.p99)).toFixed(1)} ms (${median(mine.map((one) => one.p99 / one.p50)).toFixed(1)} ×)`,
        `${mine.reduce((sum, one) => sum + one.failed, 0)} failed`,
      ].join('; '),
    );
  }
  // Protocol and search on the same cores cannot be had for less than both cost.
  const [empty, ours] = loaded.slice(-2);
  const after = large.map((rate, round) => 1 / (1 / rate + 1 / empty![round]!.rate));
  const share = median(ours!.map(({ rate }, round) => rate / after[round]!));
  console.log(
    `K=${k} 256 a request: ${share.toFixed(2)} of what in-process search and the empty handler would answer one after the other (${median(after).toFixed(0)}/s)`,
  );
}
