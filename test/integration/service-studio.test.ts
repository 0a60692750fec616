import { execFile, execFileSync } from 'node:child_process';
import { rm, stat, utimes } from 'node:fs/promises';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeWhole } from '../../src/files.js';
import { createKey, revokeKey, type ScopeName } from '../../src/service/index.js';
import { temporaryFolder } from '../support/networks.js';
import { type Bench, publishCrowd, startService, until } from '../support/service.js';

const PAGE = '<!doctype html><title>studio</title>';
const SCRIPT = `export const all = ${JSON.stringify('x'.repeat(3000))};`;
let bench: Bench;
let file: string;
let pages: string;
let keys: Record<'read' | 'admin', { token: string; id: string }>;
const keyFor = async (scopes: ScopeName[]) => {
  const { token, key } = await createKey(file, { name: scopes.join('+'), scopes });
  return { token, id: key.id };
};
const get = (path: string, init: RequestInit = {}) =>
  fetch(`${bench.service.url}${path}`, { redirect: 'manual', ...init });

beforeAll(async () => {
  pages = await temporaryFolder();
  const put = (name: string, text: string | Buffer) => writeWhole(join(pages, name), text);
  await put('index.html', PAGE);
  await put('assets/app-1a2b3c4d.js', SCRIPT);
  await put('assets/app-1a2b3c4d.js.br', brotliCompressSync(SCRIPT));
  await put('assets/app-1a2b3c4d.js.gz', gzipSync(SCRIPT));
  bench = await startService((store) => publishCrowd(store, 'default', 1), {
    keys: async (folder) => {
      file = join(folder, 'keys.json');
      keys = { read: await keyFor(['read']), admin: await keyFor(['read', 'score', 'admin']) };
      return file;
    },
    overrides: { studio: pages },
  });
});
afterAll(async () => {
  await bench.close();
  await rm(pages, { recursive: true });
});

describe('the pages', () => {
  it('lie below /studio/, which is where the server sends browsers', async () => {
    for (const path of ['/', '/studio']) {
      const { status, headers } = await get(path);
      expect([status, headers.get('location')]).toEqual([302, '/studio/']);
    }
    const page = await get('/studio/');
    expect([page.status, await page.text()]).toEqual([200, PAGE]);
    expect(page.headers.get('content-type')).toContain('text/html');
    expect(page.headers.get('cache-control')).toBe('no-cache');
  });

  it('may load nothing from elsewhere, run nothing inline, and stand in no frame', async () => {
    for (const path of ['/studio/', '/studio/assets/app-1a2b3c4d.js', '/studio/nothing', '/studio/session']) {
      const { headers } = await get(path);
      const policy = headers.get('content-security-policy')!;
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("script-src 'self';");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toContain('unsafe');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('referrer-policy')).toBe('no-referrer');
      expect(headers.get('cross-origin-opener-policy')).toBe('same-origin');
      expect(headers.get('cross-origin-resource-policy')).toBe('same-origin');
      expect(headers.get('permissions-policy')).toContain('camera=()');
    }
  });

  it('come compressed, and are asked for again only when they may have changed', async () => {
    const path = '/studio/assets/app-1a2b3c4d.js';
    for (const [accepted, encoding] of [
      ['br, gzip', 'br'],
      ['gzip', 'gzip'],
    ] as const) {
      const script = await get(path, { headers: { 'accept-encoding': accepted } });
      expect(script.headers.get('content-encoding')).toBe(encoding);
      expect(script.headers.get('vary')).toBe('Accept-Encoding');
      expect(Number(script.headers.get('content-length'))).toBeLessThan(200);
      expect(await script.text()).toBe(SCRIPT);
      expect(script.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    }
    const etag = (await get('/studio/')).headers.get('etag')!;
    expect((await get('/studio/', { headers: { 'if-none-match': etag } })).status).toBe(304);
    // Of another release with as many bytes and the same date, as packages have them.
    const { mtime } = await stat(join(pages, 'index.html'));
    await writeWhole(join(pages, 'index.html'), '<!doctype html><title>studi0</title>');
    await utimes(join(pages, 'index.html'), mtime, mtime);
    const changed = await get('/studio/', { headers: { 'if-none-match': etag } });
    expect([changed.status, changed.headers.get('etag') === etag]).toEqual([200, false]);
    await writeWhole(join(pages, 'index.html'), PAGE);
  });

  it('answer HEAD without a body, refuse other methods, and know what is not there', async () => {
    const head = await get('/studio/', { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
    expect((await get('/studio/', { method: 'POST' })).status).toBe(405);
    expect((await get('/studio/nothing.js')).status).toBe(404);
    expect((await get('/studio/assets/')).status).toBe(404);
  });

  it('survive ranges that are none, and files that go', async () => {
    const path = '/studio/assets/app-1a2b3c4d.js';
    for (const range of ['bytes=100-50', 'bytes=-1--5', 'bytes=999999-', 'bytes=-', 'x', 'bytes=0-0,5-9'])
      expect((await get(path, { headers: { range } })).status, range).toBeLessThan(500);
    await writeWhole(join(pages, 'assets/gone.js'), SCRIPT);
    expect((await get('/studio/assets/gone.js')).status).toBe(200);
    await rm(join(pages, 'assets/gone.js'));
    expect((await get('/studio/assets/gone.js')).status).toBe(404);
    expect((await get('/livez')).status).toBe(200);
  });

  it('are the only files that are given out', async () => {
    const { hostname, port } = new URL(bench.service.url);
    // As it stands: fetch would tidy such paths up.
    const raw = (path: string) =>
      new Promise<string>((resolve) => {
        let text = '';
        const socket = connect(Number(port), hostname, () =>
          socket.end(`GET ${path} HTTP/1.1\r\nhost: ${hostname}\r\nconnection: close\r\n\r\n`),
        );
        socket.on('data', (chunk) => {
          text += chunk;
        });
        socket.on('close', () => resolve(text));
      });
    for (const path of [
      '/studio/../package.json',
      '/studio/%2e%2e/%2e%2e/package.json',
      '/studio/..%2f..%2fpackage.json',
      '/studio/assets/../../../keys.json',
      '/studio//etc/passwd',
      '/studio/%00',
      '/studio/%',
    ])
      expect(await raw(path), path).toMatch(/^HTTP\/1\.1 404 /);
  });

  it('come over HTTP/2 as well', async () => {
    const session = connectHttp2(bench.service.url);
    const answer = (path: string, method = 'GET') =>
      new Promise<string>((resolve, reject) => {
        const stream = session.request({ ':path': path, ':method': method });
        let text = '';
        stream.on('response', (headers) => {
          text = `${headers[':status']} ${headers['content-length']} `;
        });
        stream.on('data', (chunk) => {
          text += chunk;
        });
        stream.on('end', () => resolve(text));
        stream.on('error', reject);
      });
    expect(await answer('/studio/')).toBe(`200 36 ${PAGE}`);
    expect(await answer('/studio/', 'HEAD')).toBe('200 36 ');
    expect(await answer('/studio/nothing')).toMatch(/^404 /);
    session.close();
  });

  it('may be fetched as slowly as a network is: only sending has to be quick', async () => {
    const large = Buffer.alloc(4_000_000, 'abc');
    await writeWhole(join(pages, 'large.bin'), large);
    const slow = await startService((store) => publishCrowd(store, 'default', 1), {
      env: { FOILBANK_PATIENCE_MS: '200' },
      overrides: { studio: pages },
    });
    const session = connectHttp2(slow.service.url);
    const stream = session.request({ ':path': '/studio/large.bin' });
    await new Promise((resolve) => setTimeout(resolve, 600));
    let bytes = 0;
    for await (const chunk of stream) bytes += (chunk as Buffer).length;
    expect(bytes).toBe(large.length);
    session.close();
    await slow.close();
  });

  it('are not there where the studio is switched off', async () => {
    for (const more of [{ overrides: { studio: false } }, { env: { FOILBANK_STUDIO: 'off' } }]) {
      const off = await startService((store) => publishCrowd(store, 'default', 1), more);
      for (const path of ['/', '/studio/', '/studio/session', '/studio/queues/'])
        expect((await fetch(`${off.service.url}${path}`)).status, path).toBe(404);
      await off.close();
    }
  });
});

describe('a session', () => {
  const own = () => ({ origin: bench.service.url, 'sec-fetch-site': 'same-origin' });
  const signIn = (token?: string, headers: Record<string, string> = own()) =>
    get('/studio/session', {
      method: 'POST',
      headers: { ...headers, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
    });
  const cookieOf = (answer: Response) => answer.headers.getSetCookie()[0]!.split(';')[0]!;
  const codeOf = async (answer: Response) => ((await answer.json()) as { code?: string }).code ?? 'ok';
  const call = (rpc: string, headers: Record<string, string>, body = '{}') =>
    get(`/foilbank.v1.${rpc}`, {
      ...{ method: 'POST', body },
      headers: { 'content-type': 'application/json', ...headers },
    });
  const rpcCodeOf = async (answer: Response) =>
    ((await answer.json()) as { message?: string }).message?.split(':')[0] ?? 'ok';

  it('stands for a key: a cookie that no script reads and that goes to no other site', async () => {
    const answer = await signIn(keys.read.token);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(await answer.json()).toEqual({ scopes: ['read'], open: false });
    expect(answer.headers.getSetCookie()).toHaveLength(1);
    const [pair, ...attributes] = answer.headers.getSetCookie()[0]!.split('; ');
    expect(pair).toMatch(/^foilbank-session=[\w-]{43}$/);
    expect(attributes.sort()).toEqual(['HttpOnly', 'Max-Age=43200', 'Path=/', 'SameSite=Strict']);
    const cookie = pair!;
    expect(await (await get('/studio/session', { headers: { cookie } })).json()).toEqual({
      ...{ scopes: ['read'], open: false },
    });
    expect(await rpcCodeOf(await call('SupportService/ListBanks', { cookie, ...own() }))).toBe('ok');
    // An operator looks at the metrics in the same browser, another site's page does not.
    const metrics = (headers: Record<string, string>) => get('/metrics', { headers: { cookie, ...headers } });
    expect(await (await metrics({ 'sec-fetch-site': 'none' })).text()).toMatch(/^foilbank_sessions [1-9]/m);
    expect((await metrics({ 'sec-fetch-site': 'cross-site' })).status).toBe(403);
    expect(await rpcCodeOf(await call('BankService/ListJobs', { cookie, ...own() }))).toBe(
      'FB_SCOPE_MISSING',
    );
  });

  it('over TLS, by either protocol, is for TLS and this host only', async () => {
    const folder = await temporaryFolder();
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    const names = ['-keyout', key, '-out', cert, '-subj', '/CN=x', '-addext', 'subjectAltName=IP:127.0.0.1'];
    execFileSync('openssl', [...made, ...names], { stdio: 'ignore' });
    let token = '';
    const secure = await startService((store) => publishCrowd(store, 'default', 1), {
      env: { FOILBANK_TLS_CERT: cert, FOILBANK_TLS_KEY: key },
      keys: async (at) => {
        const path = join(at, 'keys.json');
        ({ token } = await createKey(path, { name: 'x', scopes: ['read'] }));
        return path;
      },
    });
    for (const protocol of ['--http1.1', '--http2']) {
      const { stdout } = await promisify(execFile)('curl', [
        ...['-s', '-i', protocol, '--cacert', cert, '-X', 'POST', '-H', `authorization: Bearer ${token}`],
        `${secure.service.url}/studio/session`,
      ]);
      expect(stdout.toLowerCase()).toMatch(/^set-cookie: __host-foilbank-session=.*; secure/m);
      const [, cookie] = /^set-cookie: ([^;]+)/im.exec(stdout)!;
      const asks = ['-H', `cookie: ${cookie}`, '-H', 'content-type: application/json', '-d', '{}'];
      const from = async (origin: string) => {
        const rpc = `${secure.service.url}/foilbank.v1.SupportService/ListBanks`;
        const common = ['-s', protocol, '--cacert', cert, '-H', `origin: ${origin}`];
        return (await promisify(execFile)('curl', [...common, ...asks, rpc])).stdout;
      };
      expect(await from(secure.service.url)).toContain('"banks"');
      expect(await from(secure.service.url.replace('https:', 'http:'))).toContain('FB_ORIGIN_REFUSED');
    }
    await secure.close();
    await rm(folder, { recursive: true });
  });

  it('that came through a proxy’s TLS goes back through TLS only, to this host only', async () => {
    const origin = bench.service.url.replace('http:', 'https:');
    const [cookie] = (await signIn(keys.read.token, { origin })).headers.getSetCookie();
    expect(cookie).toMatch(/^__Host-foilbank-session=[\w-]{43}; /);
    expect(cookie).toContain('; Secure');
  });

  it('is not begun without a key, with a wrong one, or from another page', async () => {
    expect(await codeOf(await signIn())).toBe('FB_KEY_REQUIRED');
    expect((await signIn('nonsense')).status).toBe(401);
    const other = await signIn(keys.read.token, { origin: 'https://evil.example' });
    expect([other.status, other.headers.getSetCookie()]).toEqual([403, []]);
    expect((await get('/studio/session')).status).toBe(401);
    expect((await get('/studio/session', { method: 'PUT' })).status).toBe(405);
  });

  it('opens nothing for other people’s pages', async () => {
    const cookie = cookieOf(await signIn(keys.admin.token));
    const pin = (headers: Record<string, string>) =>
      call('BankService/Pin', { cookie, ...headers }, '{"bank":"default","version":"000001"}');
    for (const headers of [
      {},
      { origin: 'https://evil.example' },
      { ...own(), 'sec-fetch-site': 'cross-site' },
      { ...own(), 'sec-fetch-site': 'same-site' },
    ]) {
      const answer = await pin(headers);
      expect([answer.status, await rpcCodeOf(answer)]).toEqual([403, 'FB_ORIGIN_REFUSED']);
    }
    // A form of another page can send this, and Connect takes no such thing.
    expect((await pin({ ...own(), 'content-type': 'text/plain' })).status).toBe(415);
    expect((await pin(own())).status).toBe(200);
  });

  it('ends when it is ended, and when its key is revoked', async () => {
    const cookie = cookieOf(await signIn(keys.read.token));
    const asks = () => call('SupportService/ListBanks', { cookie, ...own() });
    expect((await get('/studio/session', { method: 'DELETE', headers: { cookie } })).status).toBe(403);
    expect((await asks()).status).toBe(200);
    const ended = await get('/studio/session', { method: 'DELETE', headers: { cookie, ...own() } });
    expect(ended.status).toBe(200);
    for (const gone of ended.headers.getSetCookie()) expect(gone).toContain('Max-Age=0');
    expect(await rpcCodeOf(await asks())).toBe('FB_SESSION_ENDED');
    const brief = await keyFor(['read']);
    const authorization = `Bearer ${brief.token}`;
    await until(async () => (await call('SupportService/ListBanks', { authorization })).ok);
    const second = cookieOf(await signIn(brief.token));
    await revokeKey(file, brief.id);
    await until(async () => {
      const told = await call('SupportService/ListBanks', { cookie: second, ...own() });
      return (await rpcCodeOf(told)) === 'FB_SESSION_ENDED';
    });
  });

  it('is not guessed: an address may be wrong ten times a minute', async () => {
    const guesser = await startService((store) => publishCrowd(store, 'default', 1), {
      keys: async (folder) => {
        const path = join(folder, 'keys.json');
        await createKey(path, { name: 'x', scopes: ['read'] });
        return path;
      },
    });
    const guess = () =>
      fetch(`${guesser.service.url}/studio/session`, {
        ...{ method: 'POST', headers: { authorization: 'Bearer fbk_guess' } },
      }).then(({ status }) => status);
    const answers: number[] = [];
    for (let i = 0; i < 12; i++) answers.push(await guess());
    expect(answers).toEqual([...new Array<number>(10).fill(401), 429, 429]);
    await guesser.close();
  });

  it('and its key are in no log', () => {
    expect(bench.logged()).toContain('session begun');
    for (const { token } of Object.values(keys)) expect(bench.logged()).not.toContain(token.slice(17));
    expect(bench.logged()).not.toContain('foilbank-session');
    expect(bench.logged()).not.toContain('defect');
  });

  it('is not needed where everybody may do everything', async () => {
    const open = await startService((store) => publishCrowd(store, 'default', 1));
    const { url } = open.service;
    const asks = (method: string, headers: Record<string, string> = {}) =>
      fetch(`${url}/studio/session`, { method, headers });
    expect(await (await asks('GET')).json()).toEqual({ scopes: ['read', 'score', 'admin'], open: true });
    expect((await asks('POST', { origin: url })).headers.getSetCookie()).toEqual([]);
    const foreign = await fetch(`${url}/foilbank.v1.SupportService/ListBanks`, {
      ...{ method: 'POST', body: '{}' },
      headers: { 'content-type': 'application/json', origin: 'https://evil.example' },
    });
    expect(foreign.status).toBe(403);
    await open.close();
  });
});
