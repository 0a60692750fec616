import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { gzipSync } from 'node:zlib';
import { create, toBinary, toJsonString } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FindNeighborsRequestSchema, LookupSchema } from '../../src/client.js';
import { temporaryFolder } from '../support/networks.js';
import { type Bench, packedRows, publishCrowd, queries, startService, until } from '../support/service.js';

const PATH = '/foilbank.v1.SupportService/FindNeighbors';
const PATIENCE = 1500;
/** Far below what a listener that closes would wait, and far above what it needs. */
const SOON = 8000;
const env = { FOILBANK_PATIENCE_MS: `${PATIENCE}`, FOILBANK_SHUTDOWN_SECONDS: '20' };
const prepare = (store: Parameters<typeof publishCrowd>[0]) => publishCrowd(store, 'default', 1);

const request = create(FindNeighborsRequestSchema, {
  lookup: { k: 16 },
  embeddings: packedRows(queries(100)),
});
const frame = (message: Uint8Array, flag: number) => {
  const head = Buffer.from([flag, 0, 0, 0, 0]);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
};
const portOf = (bench: Bench) => Number(new URL(bench.service.url).port);
/** Linux's line of the server's end of a connection: its state is the fourth of it, its timer the sixth. */
async function ofServer(bench: Bench, { localPort }: Socket): Promise<string[] | undefined> {
  const hex = (port: number) => `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const lines = (await readFile('/proc/net/tcp', 'utf8')).split('\n').map((line) => line.trim().split(/\s+/));
  return lines.find(([, here, there]) => here === hex(portOf(bench)) && there === hex(localPort!));
}
const ESTABLISHED = '01';
const closed = async (thing: { once(event: 'close', on: () => void): unknown }) => {
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error('it stays open')), SOON).unref());
  await Promise.race([new Promise<void>((resolve) => thing.once('close', resolve)), late]);
};

describe('a reply that nobody reads is dropped, and so is the memory that it takes', () => {
  let bench: Bench;
  let session: ClientHttp2Session;
  beforeAll(async () => {
    bench = await startService(prepare, {
      env: { ...env, FOILBANK_MAX_RESULTS: '250000', FOILBANK_MAX_DEADLINE_MS: '2000' },
    });
    session = connectHttp2(bench.service.url, { settings: { initialWindowSize: 0 } });
    session.on('error', () => {});
  });
  afterAll(async () => {
    session.destroy();
    await bench.close();
  });

  const binary = toBinary(FindNeighborsRequestSchema, request);
  it.concurrent.each([
    ['plain gRPC', 'application/grpc', frame(binary, 0), {}],
    ['gRPC, compressed', 'application/grpc', frame(gzipSync(binary), 1), { 'grpc-encoding': 'gzip' }],
    ['gRPC-Web', 'application/grpc-web+proto', frame(binary, 0), {}],
    ['Connect', 'application/proto', Buffer.from(binary), {}],
  ])('%s', async (_, type, body, more) => {
    const stream = session.request({ ':method': 'POST', ':path': PATH, 'content-type': type, ...more });
    stream.on('error', () => {});
    stream.end(body);
    const [headers] = await once(stream, 'response');
    expect(headers[':status']).toBe(200);
    await closed(stream);
  });

  it.runIf(process.platform === 'linux')('JSON over HTTP/1.1', async () => {
    const socket = connect(portOf(bench), '127.0.0.1').pause();
    await once(socket, 'connect');
    // More than the kernel takes in for a reader.
    const lookup = create(LookupSchema, { k: 250 });
    const embeddings = packedRows(queries(800));
    const body = toJsonString(FindNeighborsRequestSchema, { ...request, lookup, embeddings });
    const head = [`POST ${PATH} HTTP/1.1`, 'host: x', 'content-type: application/json'];
    socket.write(`${[...head, `content-length: ${body.length}`, '', ''].join('\r\n')}${body}`);
    await until(async () => (await ofServer(bench, socket))?.[3] !== ESTABLISHED, SOON);
    socket.destroy();
  });
});

describe('over TLS as without', () => {
  let bench: Bench;
  beforeAll(async () => {
    const folder = await temporaryFolder();
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    execFileSync('openssl', [...made, '-keyout', key, '-out', cert, '-subj', '/CN=localhost'], {
      stdio: 'ignore',
    });
    bench = await startService(prepare, {
      env: { ...env, FOILBANK_TLS_CERT: cert, FOILBANK_TLS_KEY: key },
    });
  });

  const encrypted = async (text: string) => {
    const options = { port: portOf(bench), rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] };
    const socket = connectTls(options).resume();
    socket.on('error', () => {});
    await once(socket, 'secureConnect');
    socket.write(text);
    return socket;
  };

  it('who sends drop by drop by HTTP/1.1 is cut off', async () => {
    await Promise.all(
      [
        `POST ${PATH} HTTP/1.1\r\nhost: x\r\ncontent-le`,
        `POST ${PATH} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{`,
      ].map(async (text) => closed(await encrypted(text))),
    );
  });

  it('a service that stops waits for nobody who asked for nothing', async () => {
    const silent = connect(portOf(bench), '127.0.0.1').resume();
    silent.on('error', () => {});
    await once(silent, 'connect');
    const kept = await encrypted('GET /livez HTTP/1.1\r\nhost: x\r\n\r\n');
    await once(kept, 'data');
    const unsaid = await encrypted('');
    const half = await encrypted('GET /livez HTTP/1.1\r\nHost: x\r\n');
    const started = performance.now();
    await bench.close();
    expect(performance.now() - started).toBeLessThan(3000);
    for (const socket of [silent, kept, unsaid, half]) socket.destroy();
  });
});

describe('a connection of HTTP/1.1 that is kept', () => {
  it('is closed after the reply that was under way when the service stopped', async () => {
    const bench = await startService(prepare, { env });
    const socket: Socket = connect(portOf(bench), '127.0.0.1');
    const body = toJsonString(FindNeighborsRequestSchema, request);
    socket.write(`POST ${PATH} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n`);
    socket.write(`content-length: ${body.length}\r\n\r\n`);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const started = performance.now();
    const closing = bench.close();
    socket.write(body);
    const [first] = await once(socket.setEncoding('latin1'), 'data');
    expect(first).toMatch(/^HTTP\/1.1 200 /);
    socket.resume();
    await closing;
    expect(performance.now() - started).toBeLessThan(5000);
    socket.destroy();
  });

  it.runIf(process.platform === 'linux')(
    'and every other one is looked after by the kernel, so that peers that vanished take no place for ever',
    async () => {
      const bench = await startService(prepare, { env });
      const socket = connect(portOf(bench), '127.0.0.1');
      await once(socket, 'connect');
      await fetch(`${bench.service.url}/livez`);
      // The kind of its timer: 02 is the one of keep-alive.
      expect((await ofServer(bench, socket))?.[5]).toMatch(/^02:/);
      socket.destroy();
      await bench.close();
    },
  );
});

describe('what foreign and hasty clients are told', () => {
  let bench: Bench;
  beforeAll(async () => {
    bench = await startService(async (store) => {
      for (const salt of [1, 2, 3]) await publishCrowd(store, 'default', salt);
    });
  });
  afterAll(() => bench.close());

  it.each([
    ['plain', {}],
    ['compressed', { 'grpc.default_compression_algorithm': 2 }],
  ])('grpc-js reads the message as it was meant: %s', async (_, options) => {
    const client = new grpc.Client(`127.0.0.1:${portOf(bench)}`, grpc.credentials.createInsecure(), options);
    const same = (x: Buffer) => x;
    const asked = { ...request, lookup: create(LookupSchema, { bank: 'zoë, 100 %' }) };
    const body = Buffer.from(toBinary(FindNeighborsRequestSchema, asked));
    const told = await new Promise<string | undefined>((resolve) =>
      client.makeUnaryRequest(PATH, same, same, body, (error) => resolve(error?.details)),
    );
    client.close();
    expect(told).toBe('FB_BANK_NOT_SERVED: bank "zoë, 100 %" is not served here; served are default');
  });

  /** Loaded by the first call that names it, which takes longer than the deadlines here. */
  const of = (version: string) => ({ ...request, lookup: create(LookupSchema, { version }) });
  const counted = async () => {
    const text = await (await fetch(`${bench.service.url}/metrics`)).text();
    return Number(/_count\{rpc=".*FindNeighbors",code="deadline_exceeded"\} (\d+)/.exec(text)?.[1] ?? 0);
  };

  const expectLogged = (id: unknown) => {
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    expect(bench.logged()).toContain(id);
  };

  it('by gRPC a deadline ends what takes longer, with the id that the log has', async () => {
    const session = connectHttp2(bench.service.url);
    const stream = session.request({
      ...{ ':method': 'POST', ':path': PATH, 'content-type': 'application/grpc', 'grpc-timeout': '10m' },
    });
    stream.end(frame(toBinary(FindNeighborsRequestSchema, of('000001')), 0)).resume();
    const [trailers] = await once(stream, 'trailers');
    session.close();
    expect(trailers['grpc-status']).toBe(String(Code.DeadlineExceeded));
    expectLogged(trailers['x-request-id']);
    expect(await counted()).toBe(1);
  });

  it('and by JSON', async () => {
    const response = await fetch(bench.service.url + PATH, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'connect-timeout-ms': '10' },
      body: toJsonString(FindNeighborsRequestSchema, of('000002')),
    });
    expect(await response.json()).toMatchObject({ code: 'deadline_exceeded' });
    expectLogged(response.headers.get('x-request-id'));
    expect(await counted()).toBe(2);
  });
});
