/**
 * Malformed and mutated requests against a service over every protocol: `npm run fuzz -- [count] [seed]`, default 100,000.
 * Fails on an answer that only a key of another scope may have, on a defect in the log, on a server that does not answer
 * afterwards, and on memory that grows. The package must be built.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { create, toBinary, toJsonString } from '@bufbuild/protobuf';
import * as bank from '../dist/src/bank/index.js';
import { resolveConfig } from '../dist/src/config.js';
import * as gen from '../dist/src/gen/index.js';
import { createLog } from '../dist/src/log.js';
import { createKey, openService, resolveServeSettings } from '../dist/src/service/index.js';

const count = Number(process.argv[2] ?? 100_000);
let state = Number(process.argv[3] ?? 1) >>> 0 || 1;
const random = () => {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) / 2 ** 32;
};
const below = (n) => Math.floor(random() * n);
const pick = (list) => list[below(list.length)];

const DIMENSION = 8;
async function publish(store) {
  const candidates = bank.emptyTable(200, DIMENSION);
  for (let row = 0; row < 200; row++) {
    candidates.seeds[row] = row;
    candidates.psi[row] = 1;
    candidates.scores[row] = 1;
    const values = Array.from({ length: DIMENSION }, (_, i) => random() - 0.5 + (i === 0 ? 1 : 0));
    const norm = Math.hypot(...values);
    candidates.embeddings.set(
      values.map((x) => x / norm),
      row * DIMENSION,
    );
  }
  const network = (c) => ({ name: c, sha256: c.repeat(64), cardSha256: c.repeat(64), licence: 'CC0-1.0' });
  await bank.publishBank(store, 'default', {
    candidates,
    inputs: {
      generator: network('a'),
      embedder: { ...network('b'), dimension: DIMENSION, samePersonCeiling: 0.999 },
      psi: 1,
      seeds: { epoch: 0, first: 0, count: 200 },
      chunkSize: 200,
      gates: { minimumScore: 0, duplicateCeiling: 1 },
    },
    counts: { generated: 200, accepted: 200, rejected: {} },
    parameters: {
      ...{ operator: 'standardise/1', neighbours: 16, lambda: 1, engine: 'exact', index: {} },
      calibration: { kind: 'none' },
    },
    gateResults: [],
  });
}

const folder = await mkdtemp(join(tmpdir(), 'foilbank-fuzz-'));
const location = join(folder, 'banks');
await publish(bank.openStore(location));
const keys = join(folder, 'keys.json');
const tokens = {};
for (const scope of ['read', 'score', 'admin'])
  tokens[scope] = (await createKey(keys, { name: scope, scopes: [scope] })).token;
let logged = '';
const service = await openService({
  config: resolveConfig({}, { store: location, threads: 1 }),
  settings: resolveServeSettings(
    { FOILBANK_PATIENCE_MS: '2000', FOILBANK_SHUTDOWN_SECONDS: '1' },
    { port: 0, keys },
  ),
  log: createLog(
    {},
    new Writable({
      write: (chunk, _, done) => {
        if (String(chunk).includes('"defect"')) logged += chunk;
        done();
      },
    }),
  ),
});
await service.loaded;
const { hostname, port } = new URL(service.url);

const embedding = () =>
  pick([
    () => ({ packed: Uint8Array.from({ length: pick([0, 1, 4, 31, 32, 33, 64, 4096]) }, () => below(256)) }),
    () => ({
      values: Array.from({ length: pick([0, 1, 7, 8, 9]) }, () =>
        pick([0, 1, -1, NaN, Infinity, 1e38, random()]),
      ),
    }),
    () => ({ values: Array.from({ length: 8 }, random) }),
  ])();
const lookup = () =>
  pick([
    undefined,
    {
      k: pick([0, 1, 16, 200, 201, 4294967295]),
      bank: pick(['', 'default', 'x', '../x', '\u0000']),
      excludeIdentities: pick([[], ['c1'], ['']]),
    },
  ]);
const many = (make) => Array.from({ length: pick([0, 1, 1, 2, 5, 300]) }, make);
const pair = () => ({ a: pick([undefined, embedding()]), b: embedding(), raw: pick([undefined, 0.5, 2]) });
const RPCS = [
  [
    'SupportService',
    'EstimateDiscrepancy',
    gen.EstimateDiscrepancyRequestSchema,
    'read',
    () => ({ lookup: lookup(), embeddings: many(embedding) }),
  ],
  [
    'SupportService',
    'FindNeighbors',
    gen.FindNeighborsRequestSchema,
    'read',
    () => ({ lookup: lookup(), embeddings: many(embedding) }),
  ],
  [
    'SupportService',
    'AlignScores',
    gen.AlignScoresRequestSchema,
    'score',
    () => ({
      lookup: lookup(),
      operator: pick(['', 'none', 'shift', 'standardise', 'fuse', 'x']),
      comparisons: pick([
        { case: 'pairs', value: { pairs: many(pair) } },
        { case: 'grid', value: { probes: many(embedding), gallery: many(embedding), raw: pick([[], [1]]) } },
        { case: undefined },
      ]),
    }),
  ],
  [
    'SupportService',
    'GetBank',
    gen.GetBankRequestSchema,
    'read',
    () => ({ bank: pick(['', 'default', 'x']) }),
  ],
  [
    'BankService',
    'Pin',
    gen.PinRequestSchema,
    'admin',
    () => ({ bank: pick(['default', '', '..']), version: pick(['000001', '999999', 'x']) }),
  ],
  ...gen.BankService.methods
    .filter(({ name }) => ['GetJob', 'RetryJob', 'CancelJob', 'ListJobs', 'ListSchedules'].includes(name))
    .map(({ name, input }) => [
      'BankService',
      name,
      input,
      'admin',
      () => (name.startsWith('List') ? {} : { jobId: pick(['', 'x']) }),
    ]),
  ...gen.GalleryService.methods.map(({ name, input }) => [
    'GalleryService',
    name,
    input,
    'read',
    () => ({
      bank: pick(['', 'default', 'x', '..']),
      ...(name === 'ListVersions' ? {} : { version: pick(['', '000001', '999999', 'x']) }),
      ...(name === 'GetPictures' ? { seeds: many(() => BigInt(below(300))), size: below(600) } : {}),
      ...(name === 'ListCandidates' ? { offset: pick([0, 199, 4294967295]), limit: below(1100) } : {}),
    }),
  ]),
  [
    'FaceService',
    'Detect',
    gen.DetectRequestSchema,
    'score',
    () => ({ image: Uint8Array.from({ length: below(64) }, () => below(256)) }),
  ],
  [
    'FaceService',
    'Embed',
    gen.EmbedRequestSchema,
    'score',
    () => ({ photos: many(() => ({ image: Uint8Array.from({ length: below(64) }, () => below(256)) })) }),
  ],
];

function mutated(bytes) {
  const copy = Buffer.from(bytes);
  for (let i = below(4); i > 0 && copy.length > 0; i--) copy[below(copy.length)] = below(256);
  return pick([
    copy,
    copy,
    copy.subarray(0, below(copy.length + 1)),
    Buffer.concat([copy, Buffer.from([below(256)])]),
  ]);
}
const framed = (bytes) => {
  const head = Buffer.alloc(5);
  head[0] = pick([0, 0, 0, 0, 1, 2, 128, 255]);
  head.writeUInt32BE(pick([bytes.length, bytes.length, bytes.length, 0, bytes.length + 1, 0xffffffff]), 1);
  return Buffer.concat([head, bytes]);
};
function request() {
  const [name, method, schema, scope, make] = pick(RPCS);
  const [holder, token] = pick([...Object.entries(tokens), ['none', 'fbk_0a1b2c3d4e5f_x'], ['none', '']]);
  const type = pick([
    'application/json',
    'application/proto',
    'application/grpc',
    'application/grpc+proto',
    'application/grpc-web+proto',
    'application/grpc-web-text',
    'application/connect+json',
    'text/plain',
  ]);
  const message = create(schema, make());
  const body = type.includes('json')
    ? Buffer.from(toJsonString(schema, message))
    : Buffer.from(toBinary(schema, message));
  const whole = random() < 0.4 ? body : mutated(body);
  const bytes = type.includes('grpc') || type.includes('connect+') ? framed(whole) : whole;
  const headers = {
    'content-type': type,
    authorization: `Bearer ${token}`,
    ...pick([
      {},
      {},
      { 'grpc-timeout': pick(['1m', 'x', '99999999H']) },
      { 'connect-timeout-ms': 'x' },
      { 'content-encoding': 'gzip' },
      { 'grpc-encoding': 'br' },
      { cookie: `foilbank-session=${pick(['', 'x', '%ff', '"'])}`, authorization: '' },
      { cookie: 'foilbank-session=x', origin: pick([service.url, 'null', 'http://[', 'x']) },
    ]),
  };
  return { path: `/foilbank.v1.${name}/${method}`, headers, bytes, wrong: holder !== scope, scope };
}

/** What a browser may ask for, and what pages of other people and tools may. The board's pages are for one who may administer. */
function pageRequest() {
  const path = pick([
    ...['/', '/studio', '/studio/', '/studio/index.html', '/studio/assets/', '/studio/session', '/metrics'],
    ...[
      '/studio/queues/',
      '/studio/queues/api/queues',
      '/studio/queues/static/js/x.js',
      '/studio/%',
      '/studio/%00',
    ],
    ...[
      '/studio/..%2fpackage.json',
      '/studio/%2e%2e/package.json',
      '/studio//etc/passwd',
      `/studio/${below(1e9)}`,
    ],
  ]);
  const [holder, token] = pick([...Object.entries(tokens), ['none', 'x'], ['none', '']]);
  const headers = {
    ...pick([{}, { 'content-type': pick(['text/plain', 'application/json', 'multipart/form-data']) }]),
    ...pick([{}, { authorization: `Bearer ${token}` }]),
    ...pick([
      {},
      { cookie: pick(['foilbank-session=x', '__Host-foilbank-session=%', '=;;=', 'a'.repeat(5000)]) },
    ]),
    ...pick([{}, { range: pick(['bytes=9-1', 'bytes=-', 'bytes=1-', 'bytes=-1--5', 'x']) }]),
    ...pick([{}, { origin: pick([service.url, 'null', 'http://[', 'https://evil.example']) }]),
    ...pick([{}, { 'sec-fetch-site': pick(['same-origin', 'cross-site', 'none', 'x']) }]),
    ...pick([
      {},
      { 'if-none-match': pick(['*', '"', 'W/"x"']), 'accept-encoding': pick(['br', 'gzip', ';q=']) },
    ]),
  };
  const method = pick(['GET', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']);
  const bytes = method === 'GET' || method === 'HEAD' ? Buffer.alloc(0) : Buffer.from('{"a":1}');
  const guarded = path === '/metrics' ? 'read' : path.startsWith('/studio/queues') ? 'admin' : undefined;
  const wrong = guarded !== undefined && (headers.authorization === undefined || holder !== guarded);
  return { path, method, headers, bytes, wrong, scope: guarded };
}

let [answered, succeeded, wrongScope] = [0, 0, 0];
const note = ({ wrong, path, headers, scope }, status, grpcStatus) => {
  answered++;
  // A gRPC stream that broke off has no status: it gave nothing away.
  const grpc = typeOf({ headers }).startsWith('application/grpc');
  const ok = status === 200 && (grpcStatus === '0' || (grpcStatus === undefined && !grpc));
  if (ok) succeeded++;
  if (!ok || !wrong) return;
  wrongScope++;
  console.error(JSON.stringify({ path, scope, headers, status, grpcStatus }));
};
const typeOf = ({ headers }) => headers['content-type'] ?? '';
const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
const overHttp1 = (r) =>
  new Promise((resolve) => {
    const call = http.request(
      {
        hostname,
        port,
        path: r.path,
        method: r.method ?? 'POST',
        headers: { ...r.headers, 'content-length': r.bytes.length },
        agent,
      },
      (response) => {
        let text = '';
        response.on('data', (c) => (text += c.toString('latin1')));
        response.on('end', () => {
          const told = response.trailers['grpc-status'] ?? response.headers['grpc-status'];
          note(r, response.statusCode, told ?? statusInBody(r, text));
          resolve();
        });
        response.on('error', resolve);
      },
    );
    call.on('error', resolve);
    call.end(r.bytes);
  });
/** The status of gRPC-Web's last frame, or what Connect's streams end with; undefined where a body has none. */
function statusInBody(r, text) {
  const ofGrpcWeb = /grpc-status: ?(\d+)/i.exec(text)?.[1];
  if (ofGrpcWeb !== undefined || !typeOf(r).startsWith('application/connect+')) return ofGrpcWeb;
  return text.includes('"error"') ? '1' : '0';
}
let session;
const overHttp2 = (r) =>
  new Promise((resolve) => {
    if (!session || session.closed || session.destroyed) {
      session = http2.connect(service.url);
      session.on('error', () => {});
    }
    const stream = session.request({ ':method': r.method ?? 'POST', ':path': r.path, ...r.headers });
    let [status, grpcStatus, text] = [0, undefined, ''];
    stream.on('response', (h) => ([status, grpcStatus] = [h[':status'], h['grpc-status']]));
    stream.on('trailers', (h) => (grpcStatus = h['grpc-status'] ?? grpcStatus));
    stream.on('data', (c) => (text += c.toString('latin1')));
    stream.on('error', () => {});
    stream.on('close', () => {
      note(r, status, grpcStatus ?? statusInBody(r, text));
      resolve();
    });
    if (random() < 0.02) stream.close(http2.constants.NGHTTP2_CANCEL);
    else stream.end(r.bytes);
  });
const raw = () =>
  new Promise((resolve) => {
    const socket = net.connect(port, hostname, () =>
      socket.end(
        pick([
          Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
          Buffer.alloc(0),
          Buffer.from('GET / HTTP/1.1\r\n'),
          // No host, and hosts that make no address.
          Buffer.from('POST /foilbank.v1.SupportService/ListBanks HTTP/1.0\r\ncontent-length: 0\r\n\r\n'),
          Buffer.from(
            `POST /foilbank.v1.SupportService/ListBanks HTTP/1.1\r\nhost: ${pick(['[', 'a b', ':', '@'])}\r\n\r\n`,
          ),
        ]).toString('latin1') +
          Buffer.from(Array.from({ length: below(100) }, () => below(256))).toString('latin1'),
        'latin1',
      ),
    );
    const late = setTimeout(() => socket.destroy(), 3000);
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(late);
      resolve();
    });
    socket.resume();
  });

const rss = [];
let done = 0;
await Promise.all(
  Array.from({ length: 16 }, async () => {
    while (done < count) {
      if (++done % Math.ceil(count / 10) === 0) {
        globalThis.gc?.();
        rss.push(Math.round(process.memoryUsage().rss / 1e6));
      }
      const way = random();
      const one = random() < 0.15 ? pageRequest() : request();
      await (way < 0.005 ? raw() : way < 0.5 ? overHttp1(one) : overHttp2(one));
    }
  }),
);
session?.destroy();
agent.destroy();
const alive = (await fetch(`${service.url}/readyz`)).status === 200;
const failed = [];
if (wrongScope > 0) failed.push(`${wrongScope} answers to keys of another scope`);
if (logged) failed.push(`defects: ${logged.slice(0, 2000)}`);
if (!alive) failed.push('it is not ready any more');
if (answered < count * 0.9) failed.push(`only ${answered} of ${count} were answered`);
// After the first third everything is warm.
const [warm, last] = [rss[Math.floor(rss.length / 3)], rss.at(-1)];
if (count >= 50_000 && last > warm * 1.3 + 50) failed.push(`memory grew: ${rss.join(', ')} MB`);
const told = { count, answered, succeeded, wrongScope, rssMegabytes: rss };
await service.close();
await rm(folder, { recursive: true });
console.log(JSON.stringify(told));
if (failed.length > 0) {
  console.error(failed.join('\n'));
  process.exitCode = 1;
}
