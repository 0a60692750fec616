import { beforeEach, describe, expect, it } from 'vitest';
import { createLog } from '../../../src/log.js';
import type { Asking } from '../../../src/service/asking.js';
import { COOKIES, Door } from '../../../src/service/door.js';
import { createKey, revokeKey, type ScopeName } from '../../../src/service/index.js';
import { KeyRing, openDoor } from '../../../src/service/key-ring.js';
import { Sessions } from '../../../src/service/sessions.js';
import { until } from '../../support/service.js';
import { someDirectory } from '../bank/fixtures.js';

let file: string;
let ring: KeyRing;
let now: number;
let sessions: Sessions;
const begin = async (scopes: ScopeName[], more: { rate?: number; expiresAt?: Date } = {}) => {
  const { token, key } = await createKey(file, { name: 'x', scopes, ...more });
  ring = await KeyRing.open(file, createLog({ FOILBANK_LOG_LEVEL: 'silent' }));
  sessions = new Sessions(ring, { idleMs: 1000, longestMs: 5000 }, { now: () => now });
  return { key, id: sessions.begin(ring.holderOf(`Bearer ${token}`)) };
};
const codeOf = (work: () => unknown): string => {
  try {
    work();
    return 'ok';
  } catch (error) {
    return (error as { code: string }).code;
  }
};
beforeEach(async () => {
  file = `${await someDirectory()}/keys.json`;
  now = 1;
});

describe('a session', () => {
  it('may do what its key may do, and no more', async () => {
    const { id, key } = await begin(['read', 'score']);
    expect(sessions.admit(id, 'score')).toEqual({ id: key.id });
    expect(sessions.scopesOf(id)).toEqual(['read', 'score']);
    expect(codeOf(() => sessions.admit(id, 'admin'))).toBe('FB_SCOPE_MISSING');
    expect(codeOf(() => sessions.admit(`${id.slice(0, -1)}_`, 'read'))).toBe('FB_SESSION_ENDED');
  });

  it('ends when it is not used, and in any case after its longest time', async () => {
    const { id } = await begin(['read']);
    for (; now < 4800; now += 900) expect(codeOf(() => sessions.admit(id, 'read'))).toBe('ok');
    now = 5001;
    expect(codeOf(() => sessions.admit(id, 'read'))).toBe('FB_SESSION_ENDED');
    const other = await begin(['read']);
    now += 1001;
    expect(codeOf(() => sessions.admit(other.id, 'read'))).toBe('FB_SESSION_ENDED');
    expect(sessions.count).toBe(0);
  });

  it('ends when it is ended', async () => {
    const { id } = await begin(['read']);
    sessions.end(id);
    expect(codeOf(() => sessions.admit(id, 'read'))).toBe('FB_SESSION_ENDED');
  });

  it('ends with its key: revoked, or expired', async () => {
    const { id, key } = await begin(['read']);
    await revokeKey(file, key.id);
    await until(() => codeOf(() => sessions.admit(id, 'read')) === 'FB_SESSION_ENDED');
    const brief = await begin(['read'], { expiresAt: new Date(Date.now() + 50) });
    await until(() => codeOf(() => sessions.admit(brief.id, 'read')) === 'FB_SESSION_ENDED');
  });

  it('is limited as its key is', async () => {
    const { id } = await begin(['read'], { rate: 1 });
    expect(codeOf(() => sessions.admit(id, 'read'))).toBe('ok');
    expect(codeOf(() => sessions.admit(id, 'read'))).toBe('FB_RATE_LIMITED');
  });
});

describe('the door', () => {
  const asking = (
    headers: Record<string, string>,
    method = 'POST',
    url = 'https://bank.example/x',
  ): Asking => ({
    ...{ method, url },
    header: (name) => headers[name],
  });
  const own = { origin: 'https://bank.example', 'sec-fetch-site': 'same-origin' };

  it('takes a cookie only from its own pages', async () => {
    const { id } = await begin(['read']);
    const door = new Door(ring, sessions);
    const cookie = { cookie: `other=1; ${COOKIES[0]}=${id}` };
    const outcome = (headers: Record<string, string>, method?: string, url?: string) =>
      codeOf(() => door.admit(asking({ ...cookie, ...headers }, method, url), 'read'));
    expect(outcome(own)).toBe('ok');
    // Firefox of some years ago tells no Sec-Fetch-Site.
    expect(outcome({ origin: own.origin })).toBe('ok');
    expect(outcome({ 'sec-fetch-site': 'same-origin' }, 'GET')).toBe('ok');
    for (const site of ['cross-site', 'same-site', 'none'])
      expect(outcome({ ...own, 'sec-fetch-site': site }), site).toBe('FB_ORIGIN_REFUSED');
    for (const origin of [
      'https://evil.example',
      'https://bank.example:444',
      'http://bank.example',
      'null',
      'x',
    ])
      expect(outcome({ origin }), origin).toBe('FB_ORIGIN_REFUSED');
    expect(outcome({})).toBe('FB_ORIGIN_REFUSED');
    expect(outcome({ 'sec-fetch-site': 'cross-site' }, 'GET')).toBe('FB_ORIGIN_REFUSED');
    // Behind a proxy that speaks TLS the server itself sees none.
    expect(outcome(own, 'POST', 'http://bank.example/x')).toBe('ok');
    expect(outcome(own, 'POST', 'http://[/x')).toBe('FB_ORIGIN_REFUSED');
  });

  it('takes a key in the header for what it is, whatever cookie comes along', async () => {
    const { id } = await begin(['read']);
    const door = new Door(ring, sessions);
    const headers = { cookie: `${COOKIES[1]}=${id}`, authorization: 'Bearer nonsense', ...own };
    expect(codeOf(() => door.admit(asking(headers), 'read'))).toBe('FB_KEY_INVALID');
    expect(codeOf(() => door.admit(asking({}), 'read'))).toBe('FB_KEY_REQUIRED');
  });

  it('without keys keeps out pages of other people, and of names that were made to mean this machine', () => {
    const open = new Door(openDoor, new Sessions(openDoor, { idleMs: 1000, longestMs: 1000 }));
    const outcome = (headers: Record<string, string>, url = 'http://127.0.0.1:8080/x', method = 'POST') =>
      codeOf(() => open.admit(asking(headers, method, url), 'admin'));
    expect(outcome({})).toBe('ok');
    expect(outcome({ origin: 'http://127.0.0.1:8080' })).toBe('ok');
    expect(outcome({ origin: 'http://[::1]:8080' }, 'http://[::1]:8080/x')).toBe('ok');
    expect(outcome({ origin: 'https://evil.example' })).toBe('FB_ORIGIN_REFUSED');
    expect(outcome({ origin: 'http://evil.example:8080' }, 'http://evil.example:8080/x')).toBe(
      'FB_ORIGIN_REFUSED',
    );
    // Reading what it takes for its own server, a browser tells neither.
    expect(outcome({}, 'http://evil.example:8080/x', 'GET')).toBe('FB_ORIGIN_REFUSED');
    expect(outcome({}, 'http://localhost:8080/x', 'GET')).toBe('ok');
    // A proxy before it may well bear another name.
    expect(outcome({}, 'http://bank.example/x')).toBe('ok');
  });
});
