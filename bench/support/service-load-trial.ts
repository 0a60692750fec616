import { type ClientHttp2Session, connect } from 'node:http2';
import { bunchedVectors } from './bunched-vectors.js';
import { ask, bodyOf, holds, type Protocol } from './load-request.js';

/** What the load generator does, in a process of its own. */
export interface Load {
  readonly url: string;
  readonly protocol: Protocol;
  readonly dimension: number;
  readonly k: number;
  readonly connections: number;
  /** Embeddings of a request. */
  readonly batch: number;
  readonly seconds: number;
  /** Requests a second that are begun at most; absent: as many as can be had. */
  readonly pace?: number;
}

export interface Loaded {
  /** Embeddings a second. */
  readonly rate: number;
  /** Milliseconds of a request. */
  readonly p50: number;
  readonly p99: number;
  readonly failed: number;
  /** The 99th percentile of every second, in milliseconds; NaN where none was answered. */
  readonly p99BySecond: readonly number[];
}

/** Different bodies. */
const BODIES = 64;

const load = JSON.parse(process.argv[2] ?? '{}') as Load;
const { url, protocol, dimension, k, batch } = load;
const vectors = bunchedVectors({ rows: 1024, dimension, seed: 2 });
const bodies = Array.from({ length: BODIES }, (_, i) =>
  bodyOf(protocol, vectors.gather(Array.from({ length: batch }, (_, j) => (i * 16 + j) % vectors.rows)), k),
);
const times: number[] = [];
const bySecond: number[][] = [];
let failed = 0;
let counting = false;
let on = true;
const sessions = Array.from({ length: load.connections }, () => connect(url));
// That the replies are what was asked for, seen once.
if (!holds(protocol, await ask(sessions[0]!, protocol, bodies[0]!), batch))
  throw new Error('the reply is none');
const clients = sessions.map((session, i) => askOn(session, i));
await sleep(1000 * Math.min(2, load.seconds));
counting = true;
const started = performance.now();
await sleep(1000 * load.seconds);
const seconds = (performance.now() - started) / 1000;
on = false;
await Promise.all(clients);
for (const session of sessions) session.destroy();
const quantile = (values: number[], share: number) =>
  values.sort((a, b) => a - b)[Math.floor(share * (values.length - 1))] ?? Number.NaN;
const result: Loaded = {
  ...{ rate: (times.length * batch) / seconds, failed },
  p99BySecond: Array.from(bySecond, (values) => quantile(values ?? [], 0.99)),
  ...{ p50: quantile(times, 0.5), p99: quantile(times, 0.99) },
};
process.send?.(result, () => process.exit(0));

async function askOn(session: ClientHttp2Session, client: number): Promise<void> {
  const apart = load.pace ? (1000 * load.connections) / load.pace : 0;
  let due = performance.now() + Math.random() * apart;
  for (let i = client; on; i++) {
    if (apart) await sleep(due - performance.now());
    due += apart;
    const begun = performance.now();
    const reply = await ask(session, protocol, bodies[i % BODIES]!);
    if (!reply) failed++;
    else if (counting && on) note(performance.now() - begun);
  }
}

function note(milliseconds: number): void {
  const second = Math.floor((performance.now() - started) / 1000);
  times.push(milliseconds);
  bySecond[second] ??= [];
  bySecond[second].push(milliseconds);
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
