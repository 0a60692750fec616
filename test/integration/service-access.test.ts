import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Code, ConnectError } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFoilbankClient, errorDetailOf } from '../../src/client.js';
import { createKey, revokeKey, type ScopeName } from '../../src/service/index.js';
import { temporaryFolder } from '../support/networks.js';
import { type Bench, packedRows, publishCrowd, queries, startService, until } from '../support/service.js';

const [embedding, other] = packedRows(queries(2));
const outcome = async (call: Promise<unknown>): Promise<string> => {
  try {
    await call;
    return 'ok';
  } catch (error) {
    return errorDetailOf(error)?.code ?? (error instanceof ConnectError ? Code[error.code]! : String(error));
  }
};

describe('API keys', () => {
  let bench: Bench;
  let file: string;
  const tokens: string[] = [];
  const tokenFor = async (scopes: ScopeName[], more: { expiresAt?: Date; rate?: number } = {}) => {
    const { token, key } = await createKey(file, { name: scopes.join('+'), scopes, ...more });
    tokens.push(token);
    return { token, id: key.id };
  };
  const clientOf = (apiKey?: string) =>
    createFoilbankClient({ baseUrl: bench.service.url, ...(apiKey === undefined ? {} : { apiKey }) });
  const estimate = (apiKey?: string) =>
    outcome(clientOf(apiKey).support.estimateDiscrepancy({ embeddings: [embedding!] }));
  let keys: Record<'read' | 'score' | 'admin' | 'expired' | 'slow', { token: string; id: string }>;

  beforeAll(async () => {
    bench = await startService((store) => publishCrowd(store, 'default', 1), {
      keys: async (folder) => {
        file = join(folder, 'keys.json');
        keys = {
          read: await tokenFor(['read']),
          score: await tokenFor(['score']),
          admin: await tokenFor(['admin']),
          expired: await tokenFor(['read'], { expiresAt: new Date(Date.now() - 1000) }),
          slow: await tokenFor(['read'], { rate: 2 }),
        };
        return file;
      },
    });
  });
  afterAll(() => bench.close());

  it('are needed, known, unexpired, and of the right scope', async () => {
    expect(await estimate()).toBe('FB_KEY_REQUIRED');
    expect(await estimate('nonsense')).toBe('FB_KEY_INVALID');
    expect(await estimate(keys.read.token.slice(0, -1) + (keys.read.token.endsWith('A') ? 'B' : 'A'))).toBe(
      'FB_KEY_INVALID',
    );
    expect(await estimate(keys.expired.token)).toBe('FB_KEY_EXPIRED');
    expect(await estimate(keys.read.token)).toBe('ok');
  });

  it('open what their scope says and nothing else', async () => {
    const rpcs = (apiKey: string) => {
      const { support, bank, face, gallery } = clientOf(apiKey);
      const pairs = { case: 'pairs' as const, value: { pairs: [{ a: embedding!, b: other! }] } };
      return {
        read: [
          support.estimateDiscrepancy({ embeddings: [embedding!] }),
          support.findNeighbors({ embeddings: [embedding!] }),
          support.listBanks({}),
          support.getBank({}),
          gallery.listVersions({}),
          gallery.getVersion({}),
          gallery.listCandidates({}),
          gallery.getPictures({ seeds: [1n] }),
        ],
        score: [
          support.alignScores({ comparisons: pairs }),
          face.embed({ photos: [{ image: new Uint8Array([1]) }] }),
          face.detect({ image: new Uint8Array([1]) }),
          face.compare({ a: { image: new Uint8Array([1]) }, b: { image: new Uint8Array([1]) } }),
        ],
        admin: [
          bank.refresh({ bank: 'default' }),
          bank.getJob({ jobId: 'x' }),
          bank.listJobs({}),
          bank.retryJob({ jobId: 'x' }),
          bank.cancelJob({ jobId: 'x' }),
          bank.listSchedules({}),
          bank.rollback({ bank: 'default', version: '000001' }),
          bank.pin({ bank: 'default', version: '000001' }),
          (async () => {
            for await (const _ of bank.watchJob({ jobId: 'x' }));
          })(),
        ],
      };
    };
    for (const scope of ['read', 'score', 'admin'] as const)
      for (const [needed, results] of Object.entries(rpcs(keys[scope].token)).map(
        ([name, calls]) => [name, calls.map(outcome)] as const,
      ))
        for (const result of await Promise.all(results))
          expect(result === 'FB_SCOPE_MISSING', `${scope} key, ${needed} method: ${result}`).toBe(
            scope !== needed,
          );
  });

  it('guard the metrics and the reflection, but not the probes', async () => {
    const status = async (path: string, token?: string) =>
      (
        await fetch(`${bench.service.url}${path}`, {
          headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
        })
      ).status;
    expect(await status('/metrics')).toBe(401);
    expect(await status('/metrics', keys.admin.token)).toBe(403);
    expect(await status('/metrics', keys.read.token)).toBe(200);
    expect(await status('/readyz')).toBe(200);
  });

  it('are limited each by its own rate', async () => {
    const results = await Promise.all(Array.from({ length: 6 }, () => estimate(keys.slow.token)));
    expect(results.filter((r) => r === 'FB_RATE_LIMITED').length).toBeGreaterThanOrEqual(2);
    expect(await estimate(keys.read.token)).toBe('ok');
  });

  it('are rotated without a restart', async () => {
    const fresh = await tokenFor(['read']);
    await until(async () => (await estimate(fresh.token)) === 'ok');
    await revokeKey(file, fresh.id);
    await until(async () => (await estimate(fresh.token)) === 'FB_KEY_INVALID');
  });

  it('and embeddings are in no log, nor on disk', async () => {
    const text = bench.logged() + readFileSync(file, 'utf8');
    expect(bench.logged()).toContain('FB_SCOPE_MISSING');
    for (const token of tokens) expect(text).not.toContain(token.slice(17));
    for (const { packed } of [embedding!, other!]) {
      expect(text).not.toContain(Buffer.from(packed).toString('base64').slice(0, 16));
      expect(text).not.toContain(String(new Float32Array(new Uint8Array(packed).buffer)[1]).slice(0, 8));
    }
  });
});

describe('limits', () => {
  it('shed what is too much at once, with a code, and serve the rest', async () => {
    const bench = await startService((store) => publishCrowd(store, 'default', 1), {
      env: { FOILBANK_MAX_CONCURRENCY: '2' },
    });
    const many = Array.from({ length: 40 }, () =>
      outcome(bench.client.support.estimateDiscrepancy({ embeddings: [embedding!] })),
    );
    const results = await Promise.all(many);
    expect(new Set(results)).toEqual(new Set(['ok', 'FB_OVERLOADED']));
    await bench.close();
  });

  it('cut off those who send drop by drop, on either protocol, while others are served', async () => {
    const bench = await startService((store) => publishCrowd(store, 'default', 1), {
      env: { FOILBANK_PATIENCE_MS: '400' },
    });
    const { hostname, port } = new URL(bench.service.url);
    const silent = connect(Number(port), hostname);
    const slow = connect(Number(port), hostname);
    slow.write('POST /foilbank.v1.SupportService/ListBanks HTTP/1.1\r\nhost: x\r\ncontent-le');
    const session = connectHttp2(bench.service.url);
    const stream = session.request({
      ':method': 'POST',
      ':path': '/foilbank.v1.SupportService/ListBanks',
      'content-type': 'application/grpc',
    });
    stream.write(Buffer.from([0]));
    stream.on('error', () => {});
    session.on('error', () => {});
    const closed = (thing: { on(event: string, on: () => void): unknown; resume(): unknown }) =>
      new Promise<void>((resolve) => {
        thing.on('close', resolve);
        thing.on('error', () => {});
        thing.resume();
      });
    await Promise.all([closed(silent), closed(slow), closed(stream)]);
    session.destroy();
    expect(await outcome(bench.client.support.listBanks({}))).toBe('ok');
    await bench.close();
  });

  it('survive rubbish on the wire', async () => {
    const bench = await startService((store) => publishCrowd(store, 'default', 1));
    const { hostname, port } = new URL(bench.service.url);
    const rubbish = [
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff',
      'PRI * HTTP/1.0\r\n\r\n',
      '\x16\x03\x01\x02\x00\x01\x00\x01\xfc',
      'GET /livez HTTP/1.1\r\nhost: a\r\nhost: b\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n',
      `GET /${'x'.repeat(40_000)} HTTP/1.1\r\n\r\n`,
    ];
    for (const bytes of rubbish)
      await new Promise<void>((resolve) => {
        const socket = connect(Number(port), hostname, () => socket.end(Buffer.from(bytes, 'latin1')));
        socket.on('close', () => resolve());
        socket.on('error', () => {});
        socket.resume();
      });
    expect(await outcome(bench.client.support.listBanks({}))).toBe('ok');
    expect(bench.logged()).not.toContain('defect');
    await bench.close();
  });

  it('are ended by the deadline that a client gives, and a longer one than allowed is refused', async () => {
    const bench = await startService((store) => publishCrowd(store, 'default', 1), {
      env: { FOILBANK_MAX_DEADLINE_MS: '20000' },
    });
    const ask = (timeoutMs: number) =>
      outcome(bench.client.support.estimateDiscrepancy({ embeddings: [embedding!] }, { timeoutMs }));
    expect(await ask(10_000)).toBe('ok');
    expect(await ask(60_000)).toBe('InvalidArgument');
    await bench.close();
  });
});

describe('stopping', () => {
  it('lets requests under way finish, tells probes, and takes no new ones', async () => {
    const bench = await startService((store) => publishCrowd(store, 'default', 1));
    const { url } = bench.service;
    const many = packedRows(queries(200));
    await outcome(bench.client.support.listBanks({}));
    const underWay = Array.from({ length: 10 }, () =>
      outcome(bench.client.support.estimateDiscrepancy({ embeddings: many })),
    );
    await until(async () => (await (await fetch(`${url}/metrics`)).text()).includes('EstimateDiscrepancy'));
    const closing = bench.close();
    expect(bench.service.readiness().reasons).toContain('it is stopping');
    const results = new Set(await Promise.all(underWay));
    results.delete('FB_STOPPING');
    results.delete('Unavailable');
    expect([...results]).toEqual(['ok']);
    await closing;
    await expect(fetch(`${url}/livez`)).rejects.toThrow();
  });

  it('waits for nobody who has not asked for anything, nor for a talk with no end', async () => {
    const bench = await startService((store) => publishCrowd(store, 'default', 1), {
      env: { FOILBANK_SHUTDOWN_SECONDS: '20' },
    });
    const { hostname, port } = new URL(bench.service.url);
    const open = (text: string) => {
      const socket = connect(Number(port), hostname).resume();
      socket.on('error', () => {});
      return new Promise<Socket>((resolve) =>
        socket.once('connect', () => socket.write(text, () => resolve(socket))),
      );
    };
    const texts = ['', 'PRI * HT', 'GET /livez HTTP/1.1\r\nHost: x\r\n', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'];
    const sockets = await Promise.all(texts.map(open));
    const session = connectHttp2(bench.service.url);
    session.on('error', () => {});
    const talk = session.request({
      ':method': 'POST',
      ':path': '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
      ...{ 'content-type': 'application/grpc', te: 'trailers' },
    });
    talk.on('error', () => {});
    talk.resume();
    // Asks for the services, and may ask for more.
    talk.write(Buffer.from([0, 0, 0, 0, 2, 0x3a, 0]));
    await once(talk, 'response');
    const started = performance.now();
    await bench.close();
    expect(performance.now() - started).toBeLessThan(5000);
    for (const socket of sockets) socket.destroy();
    session.destroy();
  });
});

describe('TLS', () => {
  it('speaks HTTP/2 and HTTP/1.1 by ALPN, and with an authority lets in only clients with a certificate', async () => {
    const folder = await temporaryFolder();
    const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
    openssl(
      ...[
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '2',
      ],
      ...['-keyout', 'key.pem', '-out', 'cert.pem', '-subj', '/CN=localhost'],
      ...['-addext', 'subjectAltName=IP:127.0.0.1'],
    );
    const path = (name: string) => join(folder, name);
    const tls = { FOILBANK_TLS_CERT: path('cert.pem'), FOILBANK_TLS_KEY: path('key.pem') };
    const [ca, key] = [readFileSync(path('cert.pem')), readFileSync(path('key.pem'))];
    const plain = await startService((store) => publishCrowd(store, 'default', 1), { env: tls });
    const list = (bench: Bench, protocol: 'grpc' | 'connect', more: object = {}) => {
      const client = createFoilbankClient({
        baseUrl: bench.service.url,
        protocol,
        timeoutMs: 5000,
        tls: { ca, ...more },
      });
      return outcome(client.support.listBanks({}));
    };
    expect(plain.service.url).toMatch(/^https:/);
    expect(await list(plain, 'grpc')).toBe('ok');
    expect(await list(plain, 'connect')).toBe('ok');
    // The server lives in this process: waiting for curl must not hold it.
    const probe = ['-s', '--http1.1', '--max-time', '10', '--cacert', path('cert.pem')];
    const { stdout } = await promisify(execFile)('curl', [...probe, `${plain.service.url}/livez`]);
    expect(stdout).toBe('ok\n');
    await plain.close();
    const mutual = await startService((store) => publishCrowd(store, 'default', 1), {
      env: { ...tls, FOILBANK_TLS_CLIENT_CA: path('cert.pem') },
    });
    expect(await list(mutual, 'grpc')).not.toBe('ok');
    expect(await list(mutual, 'grpc', { cert: ca, key })).toBe('ok');
    await mutual.close();
    await rm(folder, { recursive: true });
  });
});
