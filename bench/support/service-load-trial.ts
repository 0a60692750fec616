import { type ClientHttp2Session, connect } from 'node:http2';
import { create, fromBinary, toBinary, toJsonString } from '@bufbuild/protobuf';
import {
  EstimateDiscrepancyRequestSchema,
  EstimateDiscrepancyResponseSchema,
  packEmbedding,
} from '../../src/client.js';
import { bunchedVectors } from './bunched-vectors.js';

/** What the load generator does, in a process of its own. */
export interface Load {
  readonly url: string;
  /** gRPC with protobuf, or Connect with JSON. */
  readonly protocol: 'grpc' | 'connect';
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

/** Different bodies, made beforehand: a client that encodes and decodes costs as much as the server, and would be what is measured. */
const BODIES = 64;

const load = JSON.parse(process.argv[2] ?? '{}') as Load;
const { url, protocol, dimension, k, batch } = load;
const vectors = bunchedVectors({ rows: 1024, dimension, seed: 2 });
const bodies = Array.from({ length: BODIES }, (_, i) => bodyOf(i * 16));
const headers = {
  ':method': 'POST',
  ':path': '/foilbank.v1.SupportService/EstimateDiscrepancy',
  'content-type': protocol === 'grpc' ? 'application/grpc+proto' : 'application/json',
  ...(protocol === 'grpc' ? { te: 'trailers' } : { 'connect-protocol-version': '1' }),
};
const times: number[] = [];
const bySecond: number[][] = [];
let failed = 0;
let counting = false;
let on = true;
const sessions = Array.from({ length: load.connections }, () => connect(url));
// That the replies are what was asked for, seen once.
const [first] = await Promise.all([ask(sessions[0]!, bodies[0]!)]);
if (!holds(first)) throw new Error('the reply is none');
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
    const reply = await ask(session, bodies[i % BODIES]!);
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

/** The reply's body, undefined where the call failed. */
function ask(session: ClientHttp2Session, body: Buffer): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const stream = session.request(headers);
    const chunks: Buffer[] = [];
    let ok = false;
    stream.on('response', (got) => {
      ok = got[':status'] === 200 && (protocol !== 'grpc' || (got['grpc-status'] ?? '0') === '0');
    });
    stream.on('trailers', (got) => {
      ok &&= (got['grpc-status'] ?? '0') === '0';
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', () => resolve(undefined));
    stream.on('close', () => resolve(ok ? Buffer.concat(chunks) : undefined));
    stream.end(body);
  });
}

function bodyOf(from: number): Buffer {
  const embeddings = Array.from({ length: batch }, (_, j) => packEmbedding(vectors.row((from + j) % 1024)));
  const request = create(EstimateDiscrepancyRequestSchema, { lookup: { k }, embeddings });
  if (protocol === 'connect') return Buffer.from(toJsonString(EstimateDiscrepancyRequestSchema, request));
  const message = toBinary(EstimateDiscrepancyRequestSchema, request);
  const framed = Buffer.alloc(5 + message.length);
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, 5);
  return framed;
}

function holds(reply: Buffer | undefined): boolean {
  if (!reply) return false;
  const { length } =
    protocol === 'grpc'
      ? fromBinary(EstimateDiscrepancyResponseSchema, reply.subarray(5)).discrepancies
      : (JSON.parse(reply.toString()) as { discrepancies: unknown[] }).discrepancies;
  return length === batch;
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
