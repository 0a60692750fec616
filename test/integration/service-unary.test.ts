import { connect, type IncomingHttpHeaders } from 'node:http2';
import { create, toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { compressionGzip, createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  EstimateDiscrepancyRequestSchema,
  errorDetailOf,
  packEmbedding,
  SupportService,
} from '../../src/client.js';
import { type Bench, packedRows, publishCrowd, queries, startService, until } from '../support/service.js';

const PATH = '/foilbank.v1.SupportService/EstimateDiscrepancy';
const LIMIT = 100_000;
let bench: Bench;
beforeAll(async () => {
  bench = await startService((store) => publishCrowd(store, 'default', 1), {
    env: { FOILBANK_MAX_MESSAGE_BYTES: `${LIMIT}` },
  });
});
afterAll(() => bench.close());

/** Compressed messages go the way of all other calls, plain ones the short one. */
const ways = () => {
  const common = { baseUrl: bench.service.url };
  return {
    plain: createClient(SupportService, createGrpcTransport(common)),
    usual: createClient(
      SupportService,
      createGrpcTransport({ ...common, sendCompression: compressionGzip, compressMinBytes: 0 }),
    ),
  };
};

const frame = (message: Uint8Array, length = message.length) => {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, message]);
};
const request = () =>
  toBinary(
    EstimateDiscrepancyRequestSchema,
    create(EstimateDiscrepancyRequestSchema, { embeddings: packedRows(queries(1)) }),
  );

/** Headers and trailers of an answer; `send` writes the body, piece by piece. */
function raw(
  send: (write: (chunk: Buffer) => void, end: () => void, cancel: () => void) => void,
  headers: Record<string, string> = {},
): Promise<IncomingHttpHeaders> {
  const session = connect(bench.service.url);
  const stream = session.request({
    ...{ ':method': 'POST', ':path': PATH, 'content-type': 'application/grpc', te: 'trailers' },
    ...headers,
  });
  let seen: IncomingHttpHeaders = {};
  return new Promise((resolve) => {
    stream.on('response', (got) => {
      seen = { ...seen, ...got };
    });
    stream.on('trailers', (got) => {
      seen = { ...seen, ...got };
    });
    stream.on('error', () => {});
    stream.on('close', () => {
      session.close();
      resolve(seen);
    });
    stream.resume();
    send(
      (chunk) => stream.write(chunk),
      () => stream.end(),
      () => stream.close(0x8),
    );
  });
}

/** How many calls ended with one of the codes. */
async function counted(codes: string): Promise<number> {
  const text = await (await fetch(`${bench.service.url}/metrics`)).text();
  const lines = text.matchAll(new RegExp(`^foilbank_rpc_seconds_count.*code="(?:${codes})"\\} (\\d+)`, 'gm'));
  return [...lines].reduce((sum, [, count]) => sum + Number(count), 0);
}

function expectLogged({ 'x-request-id': id }: IncomingHttpHeaders): void {
  expect(id).toMatch(/^[0-9a-f-]{36}$/);
  expect(bench.logged()).toContain(id);
}

describe('a plain gRPC call', () => {
  it('is answered as every other one is', async () => {
    const embeddings = packedRows(queries(3));
    const { plain, usual } = ways();
    const lookup = { k: 5, excludeIdentities: ['c1'] };
    expect(await plain.estimateDiscrepancy({ lookup, embeddings })).toEqual(
      await usual.estimateDiscrepancy({ lookup, embeddings }),
    );
    expect(await plain.findNeighbors({ lookup, embeddings })).toEqual(
      await usual.findNeighbors({ lookup, embeddings }),
    );
    const [a, b] = embeddings;
    const comparisons = { case: 'pairs' as const, value: { pairs: [{ a: a!, b: b! }] } };
    expect(await plain.alignScores({ comparisons })).toEqual(await usual.alignScores({ comparisons }));
  });

  it.each([
    ['a wrong dimension', { embeddings: [packEmbedding(new Float32Array([1, 0, 0]))] }],
    ['no embedding', { embeddings: [] }],
    [
      'an unknown bank',
      { lookup: { bank: 'nobody' }, embeddings: [packEmbedding(new Float32Array(8).fill(1))] },
    ],
    ['a NaN', { embeddings: [packEmbedding(new Float32Array(8).fill(Number.NaN))] }],
  ])('is refused as every other one is for %s', async (_, asked) => {
    const told = async (client: ReturnType<typeof ways>['plain']) => {
      const error = await client.estimateDiscrepancy(asked).then(
        () => undefined,
        (failure: unknown) => ConnectError.from(failure),
      );
      expect(error?.metadata.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
      return [error?.code, error?.rawMessage, errorDetailOf(error)];
    };
    const { plain, usual } = ways();
    expect(await told(plain)).toEqual(await told(usual));
  });

  it('may come in pieces', async () => {
    const whole = frame(request());
    const { 'grpc-status': status } = await raw((write, end) => {
      for (let i = 0; i < whole.length; i += 7) write(whole.subarray(i, i + 7));
      end();
    });
    expect(status).toBe('0');
  });

  it.each([
    ['half a message', () => frame(request(), 10_000)],
    ['two messages', () => Buffer.concat([frame(request()), frame(request())])],
    ['no message', () => Buffer.alloc(0)],
    ['bytes that are no message', () => frame(Buffer.from('ffffffffffffffff', 'hex'))],
    [
      'a message that says it is compressed',
      () => Buffer.concat([Buffer.from([1]), frame(request()).subarray(1)]),
    ],
  ])('of %s is refused, counted and logged', async (_, body) => {
    const before = await counted('invalid_argument|unimplemented');
    const told = await raw((write, end) => {
      write(body());
      end();
    });
    expect([told[':status'], Number(told['grpc-status']) > 0]).toEqual([200, true]);
    expectLogged(told);
    expect(await counted('invalid_argument|unimplemented')).toBe(before + 1);
    expect(bench.logged()).not.toContain('defect');
  });

  it('of a message that is too large is refused before it came in whole', async () => {
    const answer = await raw((write) => {
      write(frame(Buffer.alloc(LIMIT + 1), 100 * LIMIT));
    });
    expect(answer['grpc-status']).toBe(String(Code.ResourceExhausted));
    expectLogged(answer);
  });

  it('ends at its deadline, though its body has not come', async () => {
    const answer = await raw((write) => write(frame(request()).subarray(0, 20)), { 'grpc-timeout': '100m' });
    expect(answer['grpc-status']).toBe(String(Code.DeadlineExceeded));
    expectLogged(answer);
    expect(await counted('deadline_exceeded')).toBe(1);
  });

  it('leaves nothing under way when its client goes away', async () => {
    const underWay = async () => {
      const text = await (await fetch(`${bench.service.url}/metrics`)).text();
      return Number(/^foilbank_rpcs_under_way (\d+)$/m.exec(text)?.[1] ?? Number.NaN);
    };
    await Promise.all(
      Array.from({ length: 20 }, () =>
        raw((write, end, cancel) => {
          write(frame(request()));
          end();
          setImmediate(cancel);
        }),
      ),
    );
    await until(async () => (await underWay()) === 0);
  });
});
