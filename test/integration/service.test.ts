import { fileURLToPath } from 'node:url';
import type { ConnectError } from '@connectrpc/connect';
import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Coverage, createFoilbankClient, Decision, errorDetailOf, packEmbedding } from '../../src/client.js';
import { InferencePool } from '../../src/onnx/index.js';
import { comparePairs, openSupport } from '../../src/pipeline/index.js';
import { alignScore, falseMatchRateOf, resolveOperatorSettings } from '../../src/scoring/index.js';
import { VERSION } from '../../src/version.js';
import { type Bench, packedRows, publishCrowd, queries, SAMPLE, startService } from '../support/service.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
let bench: Bench;
let address: string;
beforeAll(async () => {
  bench = await startService((store) => publishCrowd(store, 'default', 1), {
    env: {
      FOILBANK_MAX_EMBEDDINGS: '100',
      FOILBANK_MAX_RESULTS: '2000',
      FOILBANK_MAX_MESSAGE_BYTES: '65536',
    },
  });
  address = bench.service.url.replace('http://', '');
});
afterAll(() => bench.close());

const faces = queries(4);
const json = async (rpc: string, body: unknown, init: RequestInit = {}) => {
  const response = await fetch(`${bench.service.url}/foilbank.v1.SupportService/${rpc}`, {
    ...{ method: 'POST', headers: { 'content-type': 'application/json' } },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...init,
  });
  const id = response.headers.get('x-request-id');
  return { status: response.status, text: await response.text(), id };
};
const valuesOf = (row: number) => [...faces.row(row)];

/** gRPC as a foreign implementation speaks it, from the .proto files. */
function foreign(file: string, name: string): grpc.Client & Record<string, (...args: unknown[]) => never> {
  const loaded = loadSync(file, {
    includeDirs: [`${root}proto`, `${root}out/proto`],
    longs: Number,
    defaults: true,
  });
  const Service = name
    .split('.')
    .reduce<grpc.GrpcObject>(
      (at, part) => at[part] as grpc.GrpcObject,
      grpc.loadPackageDefinition(loaded),
    ) as unknown as grpc.ServiceClientConstructor;
  return new Service(address, grpc.credentials.createInsecure()) as never;
}
const call = <T>(client: object, method: string, request: object): Promise<T> =>
  new Promise((resolve, reject) =>
    (client as Record<string, (r: object, cb: (e: Error | null, v: T) => void) => void>)[method]!(
      request,
      (error, value) => (error ? reject(error) : resolve(value)),
    ),
  );

describe('lookups', () => {
  it('give r and sigma of the library, by gRPC, gRPC-Web, Connect and a foreign client', async () => {
    const pool = new InferencePool({ threads: 1 });
    const support = await openSupport(pool, bench.store, 'default');
    const expected = await support.estimator.estimate(faces);
    await pool.close();
    for (const protocol of ['grpc', 'grpc-web', 'connect'] as const) {
      const { support: client } = createFoilbankClient({ baseUrl: bench.service.url, protocol });
      const reply = await client.estimateDiscrepancy({ embeddings: packedRows(faces) });
      expect(reply.discrepancies.map((d) => d.r)).toEqual([...expected.r]);
      expect(reply.discrepancies.map((d) => d.sigma)).toEqual([...expected.sigma]);
      expect(reply.source).toMatchObject({ bank: 'default', version: '000001', k: 16, engine: 'exact' });
      expect(reply.source?.estimator).toBe('virtual/1');
    }
    const client = foreign(`${root}proto/foilbank/v1/support.proto`, 'foilbank.v1.SupportService');
    const reply = await call<{ discrepancies: { r: number }[] }>(client, 'EstimateDiscrepancy', {
      embeddings: [{ values: valuesOf(0) }],
    });
    expect(reply.discrepancies[0]?.r).toBeCloseTo(expected.r[0]!, 7);
    client.close();
  });

  it('find neighbours, most similar first, none of an excluded identity', async () => {
    const { support } = bench.client;
    const [embedding] = packedRows(faces);
    const all = await support.findNeighbors({ embeddings: [embedding!], lookup: { k: 5 } });
    const ids = all.supportSets[0]!.neighbors.map((n) => n.id);
    expect(ids).toHaveLength(5);
    const similarities = all.supportSets[0]!.neighbors.map((n) => n.similarity);
    expect(similarities).toEqual([...similarities].sort((a, b) => b - a));
    expect(all.supportSets[0]!.neighbors[0]!.id).toBe(`c${all.supportSets[0]!.neighbors[0]!.seed}`);
    const less = await support.findNeighbors({
      embeddings: [embedding!],
      lookup: { k: 4, excludeIdentities: [ids[0]!, 'nobody'] },
    });
    expect(less.supportSets[0]!.neighbors.map((n) => n.id)).toEqual(ids.slice(1));
    expect(less.supportSets[0]!.discrepancy).toMatchObject({ n: 4, excludedByIdentity: 1 });
  });

  it('gathers concurrent requests into batches, each answered with its own rows', async () => {
    const { support } = bench.client;
    const many = queries(60, 77);
    const whole = await support.estimateDiscrepancy({ embeddings: packedRows(many) });
    const single = await Promise.all(
      packedRows(many).map((embedding) => support.estimateDiscrepancy({ embeddings: [embedding] })),
    );
    single.forEach((reply, i) => {
      expect(reply.discrepancies[0]!.r).toBeCloseTo(whole.discrepancies[i]!.r, 6);
    });
    const metrics = await (await fetch(`${bench.service.url}/metrics`)).text();
    const [, batches] = /foilbank_batch_rows_count\{bank="default"\} (\d+)/.exec(metrics) ?? [];
    const [, rows] = /foilbank_batch_rows_sum\{bank="default"\} (\d+)/.exec(metrics) ?? [];
    expect(Number(rows)).toBeGreaterThanOrEqual(120);
    expect(Number(batches)).toBeLessThan(Number(rows) / 2);
  });

  it('says of an embedding that lies elsewhere that it does', async () => {
    const away = faces.row(0).map((x) => -x);
    const reply = await bench.client.support.estimateDiscrepancy({
      embeddings: [packEmbedding(faces.row(0)), packEmbedding(away)],
    });
    expect(reply.discrepancies.map((d) => d.coverage)).toEqual([Coverage.INSIDE, Coverage.OUTSIDE]);
  });

  it('normalises what is not of unit length, and says so; or refuses it', async () => {
    const long = faces.row(0).map((x) => x * 3);
    const [plain, scaled] = (
      await bench.client.support.estimateDiscrepancy({
        embeddings: [packEmbedding(faces.row(0)), packEmbedding(long)],
      })
    ).discrepancies;
    expect(scaled!.r).toBeCloseTo(plain!.r, 6);
    expect([plain!.normalised, scaled!.normalised]).toEqual([false, true]);
    const strict = bench.client.support.estimateDiscrepancy({
      ...{ lookup: { requireUnitLength: true }, embeddings: [packEmbedding(long)] },
    });
    expect(errorDetailOf(await strict.catch((e: unknown) => e))?.code).toBe('FB_EMBEDDING_NOT_UNIT');
  });

  it('name the version of the server in every answer, be it an error', async () => {
    for (const protocol of ['grpc', 'grpc-web', 'connect'] as const) {
      const { support } = createFoilbankClient({ baseUrl: bench.service.url, protocol });
      let named: string | null = null;
      const onHeader = (headers: Headers) => {
        named = headers.get('foilbank-version');
      };
      await support.estimateDiscrepancy({ embeddings: packedRows(faces) }, { onHeader });
      expect(named, protocol).toBe(VERSION);
      const error = await support.estimateDiscrepancy({}).catch((e: unknown) => e);
      expect((error as ConnectError).metadata.get('foilbank-version'), protocol).toBe(VERSION);
    }
  });

  it('lists its banks', async () => {
    const { banks } = await bench.client.support.listBanks({});
    expect(banks).toHaveLength(1);
    expect(banks[0]).toMatchObject({
      name: 'default',
      version: '000001',
      candidates: 300,
      dimension: 8,
      k: 16,
    });
    expect((await bench.client.support.getBank({})).bank?.warnings[0]).toContain('not calibrated');
  });
});

describe('aligned scores', () => {
  it('are those of the library, with the statistics that made them', async () => {
    const pool = new InferencePool({ threads: 1 });
    const library = await openSupport(pool, bench.store, 'default');
    const settings = resolveOperatorSettings({ operator: 'standardise' });
    const [expected] = await comparePairs(library.estimator, faces, [[0, 1]], settings);
    await pool.close();
    const [a, b] = packedRows(faces);
    const reply = await bench.client.support.alignScores({
      comparisons: { case: 'pairs', value: { pairs: [{ a: a!, b: b! }] } },
      thresholdChoice: { case: 'threshold', value: expected!.aligned - 0.01 },
    });
    const [score] = reply.scores;
    expect(score!.raw).toBeCloseTo(expected!.raw, 12);
    // Low bits depend on what else was in the batch.
    expect(score!.aligned).toBeCloseTo(expected!.aligned, 4);
    expect((score!.zNorm! + score!.tNorm!) / 2).toBeCloseTo(score!.aligned, 9);
    expect(score!.decision).toBe(Decision.SAME);
    expect(reply).toMatchObject({ operator: 'standardise/1', threshold: { origin: 'request' } });
    expect(reply.left[0]!.r).toBeCloseTo(expected!.discrepancies[0].r, 6);
    expect(reply.right[0]!.r).toBeCloseTo(expected!.discrepancies[1].r, 6);
  });

  it('by fuse come with what is typical of the bank, at the K that it recommends alone', async () => {
    const typical = { r: 0.7, sigma: 0.05 };
    const fusing = await startService((store) =>
      publishCrowd(store, 'default', 1, {
        parameters: { ...SAMPLE.parameters, neighbours: 16, operator: 'fuse/1', typical },
      }),
    );
    const [a, b] = packedRows(faces);
    const ask = (more: object) =>
      fusing.client.support.alignScores({
        comparisons: { case: 'pairs', value: { pairs: [{ a: a!, b: b! }] } },
        ...more,
      });
    const reply = await ask({});
    expect(reply).toMatchObject({ operator: 'fuse/1', typical });
    expect((await fusing.client.support.getBank({})).bank).toMatchObject({ operator: 'fuse/1', typical });
    const settings = resolveOperatorSettings({ operator: 'fuse' });
    const { aligned } = alignScore(settings, reply.scores[0]!.raw, reply.left[0]!, reply.right[0]!, typical);
    expect(reply.scores[0]!.aligned).toBeCloseTo(aligned, 12);
    const elsewhere = await ask({ lookup: { k: 8 } });
    expect(elsewhere).toMatchObject({ operator: 'standardise/1', source: { k: 8 } });
    expect(elsewhere.typical).toBeUndefined();
    const refused = ask({ lookup: { k: 8 }, operator: 'fuse' }).catch(errorDetailOf);
    expect(await refused).toMatchObject({ code: 'FB_TYPICAL_UNKNOWN' });
    await fusing.close();
  });

  it('come as a grid too, read against what was given, with raw scores supplied', async () => {
    const [a, b, c] = packedRows(faces);
    const reply = await bench.client.support.alignScores({
      comparisons: { case: 'grid', value: { probes: [a!, b!], gallery: [c!], raw: [0.5, -0.25] } },
      ...{ operator: 'shift', lambda: 0 },
    });
    expect(reply.scores.map((s) => s.aligned)).toEqual([0.5, -0.25]);
    expect(reply.lambda).toBe(0);
    expect(reply.threshold).toBeUndefined();
    expect(reply.scores[0]).toMatchObject({ decision: Decision.UNSPECIFIED });
    expect(reply.scores[0]!.reason).toContain('no threshold');
  });

  it('of a calibrated bank tell how often different people score higher, where that was measured', async () => {
    const thresholds = [
      { falseMatchRate: 1e-2, threshold: 1 },
      { falseMatchRate: 1e-3, threshold: 2 },
    ];
    const calibrated = await startService((store) =>
      publishCrowd(store, 'default', 1, {
        parameters: {
          ...{ operator: 'standardise/1', neighbours: 16, lambda: 1, engine: 'exact', index: {} },
          calibration: {
            ...{ kind: 'moments', samples: 500, components: 0, shrinkage: 0, neighboursShare: 0.05 },
            ...{ thresholds, reason: 'for the test' },
          },
        },
      }),
    );
    const [a, b] = packedRows(faces);
    const away = packEmbedding(faces.row(1).map((x) => -x));
    const rates = async (pairs: { a: typeof a; b: typeof b; raw?: number }[], more: object = {}) => {
      const comparisons = { case: 'pairs' as const, value: { pairs } };
      const { scores } = await calibrated.client.support.alignScores({ comparisons, ...more });
      return scores.map((score) => ({ aligned: score.aligned, rate: score.falseMatchRate }));
    };
    const [score] = await rates([{ a, b }]);
    expect(score!.rate).toBeCloseTo(falseMatchRateOf(thresholds, score!.aligned)!, 12);
    expect((await rates([{ a, b: a }]))[0]!.rate).toBe(1e-3);
    const nowhere = [
      ...(await rates([
        { a, b, raw: 0.5 },
        { a, b: away },
      ])),
      ...(await rates([{ a, b }], { operator: 'shift' })),
      ...(await rates([{ a, b }], { lookup: { k: 17 } })),
    ];
    expect(nowhere.map(({ rate }) => rate)).toEqual([undefined, undefined, undefined, undefined]);
    await calibrated.close();
    const { scores } = await bench.client.support.alignScores({
      comparisons: { case: 'pairs', value: { pairs: [{ a: a!, b: b! }] } },
    });
    expect(scores[0]!.falseMatchRate).toBeUndefined();
  });

  it('decide nothing about an embedding outside of the bank', async () => {
    const [a] = packedRows(faces);
    const b = packEmbedding(faces.row(1).map((x) => -x));
    const { scores } = await bench.client.support.alignScores({
      comparisons: { case: 'pairs', value: { pairs: [{ a: a!, b }] } },
      thresholdChoice: { case: 'threshold', value: 3 },
    });
    expect(scores[0]).toMatchObject({ decision: Decision.UNKNOWN });
    expect(scores[0]!.reason).toContain('right embedding');
  });
});

describe('bad input', () => {
  const one = { values: valuesOf(0) };
  const packed = (bytes: number) => ({ packed: Buffer.alloc(bytes, 1).toString('base64') });
  it.each([
    ['nothing', {}, 400, 'FB_REQUEST_INVALID'],
    ['an empty batch', { embeddings: [] }, 400, 'FB_REQUEST_INVALID'],
    ['an empty embedding', { embeddings: [{}] }, 400, 'FB_REQUEST_INVALID'],
    ['both forms', { embeddings: [{ ...one, ...packed(32) }] }, 400, 'FB_REQUEST_INVALID'],
    ['half a float', { embeddings: [packed(30)] }, 400, 'FB_EMBEDDING_BYTES'],
    ['a wrong dimension', { embeddings: [{ values: [1, 2] }] }, 400, '2 values are not rows of 8'],
    ['NaN', { embeddings: [{ values: ['NaN', 0, 0, 0, 0, 0, 0, 0] }] }, 400, 'FB_EMBEDDING_NOT_FINITE'],
    [
      'an infinity',
      { embeddings: [{ values: ['Infinity', 0, 0, 0, 0, 0, 0, 0] }] },
      400,
      'FB_EMBEDDING_NOT_FINITE',
    ],
    ['a zero vector', { embeddings: [{ values: [0, 0, 0, 0, 0, 0, 0, 0] }] }, 400, 'FB_EMBEDDING_ZERO'],
    ['K of 0', { embeddings: [one], lookup: { k: 0 } }, 400, 'FB_REQUEST_INVALID'],
    ['K above the bank', { embeddings: [one], lookup: { k: 301 } }, 400, 'FB_OPTION_INVALID'],
    ['an unknown bank', { embeddings: [one], lookup: { bank: 'x' } }, 404, 'FB_BANK_NOT_SERVED'],
    ['an unknown estimator', { embeddings: [one], lookup: { estimator: 'x' } }, 400, 'FB_OPTION_INVALID'],
    ['too many embeddings', { embeddings: new Array(101).fill(one) }, 429, 'FB_LIMIT'],
    ['an unknown field', { embedings: [one] }, 400, 'embedings'],
    ['no JSON', 'nonsense', 400, 'cannot decode'],
    ['too long a message', { embeddings: [one], lookup: { bank: 'x'.repeat(70_000) } }, 429, 'larger than'],
  ])('%s has a code and a message', async (_, body, status, told) => {
    const reply = await json('EstimateDiscrepancy', body);
    expect(reply.text).toContain(told);
    expect(reply.status).toBe(status);
    expect(reply.id).toMatch(/^[0-9a-f-]{36}$/);
    expect(bench.logged()).toContain(reply.id);
  });

  it.each([
    ['an unknown operator', { operator: 'x' }, 'FB_OPTION_INVALID'],
    ['an unknown preset', { thresholdPreset: 'far-1e-4' }, 'FB_THRESHOLD_UNKNOWN'],
    ['a threshold of NaN', { threshold: 'NaN' }, 'FB_REQUEST_INVALID'],
    ['a raw score that is none', { pairs: { pairs: [{ a: one, b: one, raw: 1.5 }] } }, 'FB_REQUEST_INVALID'],
    ['half a pair', { pairs: { pairs: [{ a: one }] } }, 'FB_REQUEST_INVALID'],
    [
      'too few raw scores',
      { pairs: undefined, grid: { probes: [one, one], gallery: [one], raw: [1] } },
      'grid.raw',
    ],
    ['no comparisons', { pairs: undefined }, 'comparisons'],
    [
      'too large a grid',
      { pairs: undefined, grid: { probes: new Array(50).fill(one), gallery: new Array(50).fill(one) } },
      'FB_LIMIT',
    ],
  ])('of AlignScores: %s', async (_, change, told) => {
    const reply = await json('AlignScores', { pairs: { pairs: [{ a: one, b: one }] }, ...change });
    expect(reply.text).toContain(told);
    expect(reply.status).toBeGreaterThanOrEqual(400);
  });

  it('is refused by content type, method and path', async () => {
    const form = { headers: { 'content-type': 'application/x-www-form-urlencoded' } };
    expect(await json('GetBank', 'x', form)).toMatchObject({
      ...{ status: 415, text: expect.stringContaining('application/json') },
    });
    expect(await json('FindNeighbors', undefined, { method: 'GET', body: null })).toMatchObject({
      ...{ status: 405, text: expect.stringContaining('POST') },
    });
    expect((await json('Nothing', {})).status).toBe(404);
    expect((await fetch(`${bench.service.url}/livez`, { method: 'DELETE' })).status).toBe(405);
  });
});

describe('what gRPC tools expect', () => {
  it('health, as a foreign client asks for it', async () => {
    const client = foreign(`${root}proto/grpc/health/v1/health.proto`, 'grpc.health.v1.Health');
    const check = (service: string) => call<{ status: number }>(client, 'Check', { service });
    expect((await check('')).status).toBe(1);
    expect((await check('foilbank.v1.SupportService')).status).toBe(1);
    await expect(check('nothing')).rejects.toMatchObject({ code: grpc.status.NOT_FOUND });
    client.close();
  });

  it('health, by those who have no key, in few bytes only', async () => {
    const client = foreign(`${root}proto/grpc/health/v1/health.proto`, 'grpc.health.v1.Health');
    await expect(call(client, 'Check', { service: 'x'.repeat(10_000) })).rejects.toMatchObject({
      code: grpc.status.RESOURCE_EXHAUSTED,
    });
    client.close();
  });

  it.each(['v1', 'v1alpha'])(
    'reflection %s that leads from the list of services to whole descriptors',
    async (version) => {
      const client = foreign(
        `${root}proto/grpc/reflection/${version}/reflection.proto`,
        `grpc.reflection.${version}.ServerReflection`,
      );
      const stream = (
        client as unknown as {
          ServerReflectionInfo(): grpc.ClientDuplexStream<object, Record<string, never>>;
        }
      ).ServerReflectionInfo();
      const answers: Record<string, { [name: string]: unknown }>[] = [];
      const ended = new Promise((resolve, reject) => {
        stream.on('data', (answer) => answers.push(answer));
        stream.on('end', resolve);
        stream.on('error', reject);
      });
      stream.write({ listServices: '' });
      stream.write({ fileContainingSymbol: 'foilbank.v1.SupportService.FindNeighbors' });
      stream.write({ fileByFilename: 'buf/validate/validate.proto' });
      stream.write({
        fileContainingExtension: {
          containingType: 'google.protobuf.MethodOptions',
          extensionNumber: 50159,
        },
      });
      stream.write({ fileContainingSymbol: 'no.such.Thing' });
      stream.end();
      await ended;
      const found = JSON.stringify(answers[0]);
      for (const name of ['foilbank.v1.SupportService', 'foilbank.v1.FaceService', 'grpc.health.v1.Health'])
        expect(found).toContain(name);
      const file = (i: number) =>
        Buffer.from(
          (answers[i] as { fileDescriptorResponse?: { fileDescriptorProto: Uint8Array[] } })
            .fileDescriptorResponse!.fileDescriptorProto[0]!,
        ).toString('latin1');
      expect(file(1)).toContain('foilbank/v1/support.proto');
      expect(file(2)).toContain('buf.validate');
      expect(file(3)).toContain('foilbank/v1/options.proto');
      expect(answers[4]).toMatchObject({ errorResponse: { errorCode: 5 } });
      client.close();
    },
  );

  it('pages for probes and Prometheus', async () => {
    const page = async (path: string) => (await fetch(`${bench.service.url}${path}`)).text();
    expect(await page('/livez')).toBe('ok\n');
    expect(JSON.parse(await page('/readyz'))).toEqual({ ready: true, reasons: [], notes: [] });
    const metrics = await page('/metrics');
    for (const name of [
      'rpc_seconds_bucket',
      'batch_rows',
      'bank_version',
      'bank_age_seconds',
      'lookup_queue_rows',
    ])
      expect(metrics).toContain(`foilbank_${name}`);
  });
});
