import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../../src/log.js';
import { startTracing } from '../../src/service/index.js';
import { VERSION } from '../../src/version.js';
import { type Bench, packedRows, publishCrowd, queries, startService } from '../support/service.js';

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: number | string };
}
interface Span {
  readonly traceId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly status: { readonly code?: number };
  readonly attributes: readonly Attribute[];
}

/** What OpenTelemetry's collector is for the server: an HTTP address that takes traces. */
let collector: Server;
const bodies: string[] = [];
let bench: Bench;
let stop: () => Promise<void>;
let logged = '';
const log = createLog(
  {},
  new Writable({
    write(chunk, _, done) {
      logged += String(chunk);
      done();
    },
  }),
);
const valuesOf = (attributes: readonly Attribute[]) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue)]));

beforeAll(async () => {
  collector = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      expect(request.url).toBe('/v1/traces');
      bodies.push(body);
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  // The exporter reads its variables itself.
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
  stop = await startTracing(log);
  bench = await startService((store) => publishCrowd(store, 'default', 1));
});
afterAll(async () => {
  await bench.close();
  collector.close();
});

const [first, second] = packedRows(queries(2));
const TRACE = '0af7651916cd43dd8448eb211c80319c';

describe('traces', () => {
  it('are spans of calls with their end, bank version and batch size, under the caller’s own, and hold no embedding', async () => {
    const headers = { traceparent: `00-${TRACE}-b7ad6b7169203331-01` };
    const { support } = bench.client;
    await support.estimateDiscrepancy({ embeddings: [first!, second!] }, { headers });
    await support.alignScores({
      comparisons: { case: 'pairs', value: { pairs: [{ a: first!, b: second! }] } },
    });
    await expect(support.getBank({ bank: 'none' })).rejects.toThrow('FB_BANK_NOT_SERVED');
    await stop();
    const sent = bodies.map(
      (body) =>
        JSON.parse(body) as {
          resourceSpans: { resource: { attributes: Attribute[] }; scopeSpans: { spans: Span[] }[] }[];
        },
    );
    const resource = valuesOf(sent[0]!.resourceSpans[0]!.resource.attributes);
    expect(resource).toMatchObject({ 'service.name': 'foilbank', 'service.version': VERSION });
    const spans = sent.flatMap((one) =>
      one.resourceSpans.flatMap((r) => r.scopeSpans.flatMap((s) => s.spans)),
    );
    const named = (method: string) => {
      const span = spans.find(({ name }) => name === `foilbank.v1.SupportService/${method}`)!;
      return { ...span, values: valuesOf(span.attributes) };
    };
    const estimate = named('EstimateDiscrepancy');
    expect(estimate).toMatchObject({ traceId: TRACE, parentSpanId: 'b7ad6b7169203331', kind: 2 });
    expect(estimate.values).toMatchObject({
      ...{ 'rpc.service': 'foilbank.v1.SupportService', 'rpc.method': 'EstimateDiscrepancy' },
      ...{ 'foilbank.code': 'ok', 'foilbank.bank': 'default', 'foilbank.bank_version': '000001' },
      'foilbank.batch_size': 2,
    });
    expect(bench.logged()).toContain(String(estimate.values['foilbank.request_id']));
    expect(named('AlignScores').traceId).not.toBe(TRACE);
    expect(named('AlignScores').values['foilbank.batch_size']).toBe(2);
    const refused = named('GetBank');
    expect(refused.values).toMatchObject({
      'foilbank.code': 'not_found',
      'foilbank.error': 'FB_BANK_NOT_SERVED',
    });
    expect(refused.status.code ?? 0).toBe(0);
    for (const { packed } of [first!, second!]) {
      expect(bodies.join()).not.toContain(Buffer.from(packed).toString('base64').slice(0, 16));
      expect(bodies.join()).not.toContain(
        String(new Float32Array(new Uint8Array(packed).buffer)[1]).slice(0, 8),
      );
    }
    expect(logged).toBe('');
  });

  it('go nowhere unless an endpoint is named, and not to one that is no address', async () => {
    await expect(startTracing(log, {})).resolves.toBeTypeOf('function');
    await expect(startTracing(log, { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' })).rejects.toMatchObject({
      code: 'FB_OPTION_INVALID',
    });
  });
});
