import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFoilbankClient, errorDetailOf } from '../../src/client.js';
import { createKey } from '../../src/service/index.js';
import { type Bench, packedRows, publishCrowd, queries, startService } from '../support/service.js';

const PATH = '/foilbank.v1.SupportService/EstimateDiscrepancy';
const MEGABYTES = 4_000_000;
/** Well below the patience of 15 s in which a body may come. */
const SOON = 3000;
let bench: Bench;
let token: { read: string; score: string; slow: string };
beforeAll(async () => {
  bench = await startService((store) => publishCrowd(store, 'default', 1), {
    keys: async (folder) => {
      const file = join(folder, 'keys.json');
      const make = async (scope: 'read' | 'score', rate?: number) =>
        (await createKey(file, { name: scope, scopes: [scope], rate })).token;
      token = { read: await make('read'), score: await make('score'), slow: await make('read', 1) };
      return file;
    },
  });
});
afterAll(() => bench.close());

/** What a raw HTTP/1.x exchange gives until the server answered, or closed. */
function rawly(
  text: string,
  until: (seen: string) => boolean = (seen) => seen.includes('}'),
): Promise<string> {
  const { hostname, port } = new URL(bench.service.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(text));
    const late = setTimeout(() => socket.destroy(new Error('no answer')), SOON);
    let seen = '';
    socket.setEncoding('latin1').on('data', (chunk) => {
      seen += chunk;
      if (until(seen)) socket.destroy();
    });
    socket.on('error', reject);
    socket.on('close', () => {
      clearTimeout(late);
      resolve(seen);
    });
  });
}

const head = (...more: string[]) =>
  [`POST ${PATH} HTTP/1.1`, 'host: x', 'content-type: application/json', ...more, '', ''].join('\r\n');

/** Headers and trailers that answer an HTTP/2 request of which only the headers were sent. */
function headersOnly(more: Record<string, string>): Promise<IncomingHttpHeaders & { body: string }> {
  const session = connectHttp2(bench.service.url);
  session.on('error', () => {});
  const stream = session.request({ ':method': 'POST', ':path': PATH, ...more }, { endStream: false });
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('no answer')), SOON);
    let told: IncomingHttpHeaders = {};
    let body = '';
    stream.on('response', (headers) => {
      told = { ...told, ...headers };
    });
    stream.on('trailers', (trailers) => {
      told = { ...told, ...trailers };
    });
    stream.setEncoding('latin1').on('data', (chunk) => {
      body += chunk;
    });
    stream.on('error', () => {});
    stream.on('end', () => {
      clearTimeout(late);
      session.destroy();
      resolve({ ...told, body });
    });
  });
}

describe('who may not come in is told so by the headers alone', () => {
  it.each([
    ['without a key', () => 'x: y', '401', 'FB_KEY_REQUIRED'],
    ['with a wrong key', () => 'authorization: Bearer nonsense', '401', 'FB_KEY_INVALID'],
    ['with a key of another scope', () => `authorization: Bearer ${token.score}`, '403', 'FB_SCOPE_MISSING'],
  ])('%s, in JSON', async (_, header, status, code) => {
    const answer = await rawly(head(header(), `content-length: ${MEGABYTES}`));
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer).toContain(code);
    expect(answer).toMatch(/x-request-id: [0-9a-f-]{36}/i);
  });

  it('with a key that asks too often', async () => {
    const ask = () =>
      rawly(head(`authorization: Bearer ${token.slow}`, `content-length: ${MEGABYTES}`), (seen) =>
        seen.includes('FB_RATE_LIMITED'),
      ).catch(() => '');
    const [first, second] = [ask(), ask()];
    expect(await Promise.race([first, second])).toContain('429');
  });

  it('in gRPC, gRPC-Web and a Connect stream', async () => {
    const ofGrpc = await headersOnly({ 'content-type': 'application/grpc' });
    expect(ofGrpc).toMatchObject({ ':status': 200, 'grpc-status': '16' });
    expect(decodeURIComponent(String(ofGrpc['grpc-message']))).toContain('FB_KEY_REQUIRED');
    const ofWeb = await headersOnly({ 'content-type': 'application/grpc-web+proto' });
    expect(ofWeb.body + JSON.stringify(ofWeb)).toContain('FB_KEY_REQUIRED');
    const unary = await headersOnly({ 'content-type': 'application/proto' });
    expect(unary).toMatchObject({ ':status': 401 });
  });

  it('over GET', async () => {
    const url = `${bench.service.url}/foilbank.v1.SupportService/GetBank?encoding=json&message=%7B%7D`;
    const refused = await fetch(url);
    expect([refused.status, await refused.text()]).toEqual([401, expect.stringContaining('FB_KEY_REQUIRED')]);
    const answered = await fetch(url, { headers: { authorization: `Bearer ${token.read}` } });
    expect(answered.status).toBe(200);
  });

  it('is counted and logged as any other request', async () => {
    const answer = await rawly(head(`content-length: ${MEGABYTES}`));
    const id = /x-request-id: ([0-9a-f-]{36})/i.exec(answer)?.[1];
    const line = bench
      .logged()
      .split('\n')
      .find((text) => id && text.includes(id));
    expect(JSON.parse(line ?? '{}')).toMatchObject({ code: 'unauthenticated', error: 'FB_KEY_REQUIRED' });
    const metrics = await fetch(`${bench.service.url}/metrics`, {
      headers: { authorization: `Bearer ${token.read}` },
    });
    expect(await metrics.text()).toMatch(
      /foilbank_rpc_seconds_count\{.*EstimateDiscrepancy",code="unauthenticated"\} \d/,
    );
  });
});

describe('what is still to come of a refused request', () => {
  it('is not asked for by one who waits to be told to go on', async () => {
    const file = join(bench.folder, 'large.json');
    const many = Array.from({ length: 1000 }, () => ({ values: [1, 0, 0, 0, 0, 0, 0, 0] }));
    await writeFile(file, JSON.stringify({ embeddings: many }).padEnd(2_000_000));
    const curl = async (key: string) => {
      const told = await promisify(execFile)('curl', [
        ...['-s', '-o', '/dev/null', '-w', '%{http_code} %{size_upload}', '--max-time', '10'],
        ...['--expect100-timeout', '8', '-H', 'expect: 100-continue', '-H', 'content-type: application/json'],
        ...['-H', `authorization: Bearer ${key}`, '--data-binary', `@${file}`, bench.service.url + PATH],
      ]);
      return told.stdout;
    };
    expect(await curl('nonsense')).toBe('401 0');
    expect(await curl(token.read)).toBe('200 2000000');
  });

  it('is thrown away, and its sender reads the answer nevertheless', async () => {
    const { url } = bench.service;
    const embeddings = packedRows(queries(50_000));
    for (const protocol of ['grpc', 'connect'] as const) {
      const { support } = createFoilbankClient({ baseUrl: url, protocol });
      const error = await support.estimateDiscrepancy({ embeddings }).catch((e: unknown) => e);
      expect(errorDetailOf(error)?.code, protocol).toBe('FB_KEY_REQUIRED');
    }
    const client = new grpc.Client(url.replace('http://', ''), grpc.credentials.createInsecure());
    const same = (x: Buffer) => x;
    const status = await new Promise((resolve) =>
      client.makeUnaryRequest(PATH, same, same, Buffer.alloc(MEGABYTES), (error) => resolve(error?.code)),
    );
    expect(status).toBe(grpc.status.UNAUTHENTICATED);
    client.close();
  });

  it('is cut off soon, while a connection whose request was whole stays', async () => {
    const started = performance.now();
    const cut = await rawly(head(`content-length: ${MEGABYTES}`), () => false);
    expect(cut).toContain('FB_KEY_REQUIRED');
    expect(performance.now() - started).toBeLessThan(SOON - 500);
    const twice = await rawly(`${head('content-length: 2')}{}${head('content-length: 2')}{}`, (seen) =>
      /401[\s\S]*FB_KEY_REQUIRED[\s\S]*401[\s\S]*FB_KEY_REQUIRED/.test(seen),
    );
    expect(twice.match(/HTTP\/1.1 401/g)).toHaveLength(2);
  });
});

describe('a request that no address can be made of', () => {
  it.each([
    ['no host', `POST ${PATH} HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}`],
    ['a host that is none', `POST ${PATH} HTTP/1.1\r\nhost: [\r\ncontent-length: 2\r\n\r\n{}`],
  ])('is refused: %s', async (_, text) => {
    expect(await rawly(text, (seen) => seen.includes('\r\n\r\n'))).toMatch(/^HTTP\/1.1 400 /);
    expect((await fetch(`${bench.service.url}/livez`)).status).toBe(200);
  });
});

describe('deadlines', () => {
  it('that no timer can hold are refused as those above the limit are, without a timer', async () => {
    const warnings: string[] = [];
    const note = (warning: Error) => warnings.push(warning.name);
    process.on('warning', note);
    const ask = async (name: string, value: string) => {
      const response = await fetch(bench.service.url + PATH, {
        method: 'POST',
        headers: {
          ...{ 'content-type': 'application/json', authorization: `Bearer ${token.read}` },
          [name]: value,
        },
        body: '{"embeddings":[{"values":[1,0,0,0,0,0,0,0]}]}',
      });
      return [response.status, await response.text()];
    };
    expect(await ask('connect-timeout-ms', '9999999999')).toEqual([400, expect.stringContaining('timeout')]);
    const ofGrpc = await headersOnly({
      ...{ 'content-type': 'application/grpc', authorization: `Bearer ${token.read}` },
      'grpc-timeout': '99999999H',
    }).catch((error: Error) => error.message);
    expect(ofGrpc).toMatchObject({ 'grpc-status': '3' });
    await new Promise((resolve) => setTimeout(resolve, 50));
    process.off('warning', note);
    expect(warnings).not.toContain('TimeoutOverflowWarning');
  });
});
