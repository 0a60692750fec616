import { createFoilbankClient, packEmbedding } from '../../src/client.js';
import { bunchedVectors } from './bunched-vectors.js';

/** What the load generator does, in a process of its own. */
export interface Load {
  readonly url: string;
  readonly protocol: 'grpc' | 'connect';
  readonly dimension: number;
  readonly k: number;
  readonly connections: number;
  /** Embeddings of a request. */
  readonly batch: number;
  readonly seconds: number;
}

export interface Loaded {
  /** Embeddings a second. */
  readonly rate: number;
  /** Milliseconds of a request. */
  readonly p50: number;
  readonly p99: number;
  readonly failed: number;
}

const load = JSON.parse(process.argv[2] ?? '{}') as Load;
const { url: baseUrl, protocol, dimension, k, batch } = load;
const vectors = bunchedVectors({ rows: 1024, dimension, seed: 2 });
const times: number[] = [];
let failed = 0;
let counting = false;
let on = true;
const clients = Array.from({ length: load.connections }, (_, i) =>
  ask(createFoilbankClient({ baseUrl, protocol }), i),
);
await sleep(1000 * Math.min(2, load.seconds));
counting = true;
const started = performance.now();
await sleep(1000 * load.seconds);
const seconds = (performance.now() - started) / 1000;
on = false;
await Promise.all(clients);
times.sort((a, b) => a - b);
const at = (share: number) => times[Math.floor(share * (times.length - 1))] ?? Number.NaN;
const result: Loaded = { rate: (times.length * batch) / seconds, p50: at(0.5), p99: at(0.99), failed };
process.send?.(result, () => process.exit(0));

async function ask({ support }: ReturnType<typeof createFoilbankClient>, client: number): Promise<void> {
  for (let i = client * 16; on; i += batch) {
    const embeddings = Array.from({ length: batch }, (_, j) => packEmbedding(vectors.row((i + j) % 1024)));
    const begun = performance.now();
    try {
      await support.estimateDiscrepancy({ lookup: { k }, embeddings });
      if (counting && on) times.push(performance.now() - begun);
    } catch {
      failed++;
    }
  }
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
