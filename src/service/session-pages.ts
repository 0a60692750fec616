import type { IncomingMessage, ServerResponse } from 'node:http';
import { stringifySetCookie } from 'cookie';
import { LRUCache } from 'lru-cache';
import { FoilbankError } from '../errors.js';
import type { Logger } from '../log.js';
import { type Asking, askingOf } from './asking.js';
import { COOKIES, type Door, sessionIdOf } from './door.js';
import { type Page, refusal, send } from './pages.js';
import { TokenBucket } from './rate-limit.js';

/** Keys that one address may be wrong with at once, and again within a minute. */
const GUESSES = 10;
const MINUTE = 60_000;
const ADDRESSES = 10_000;

interface Answer {
  readonly body: object;
  readonly cookies?: readonly string[];
}

/**
 * `/studio/session`: POST with the key in its header, as in any other call, begins a session; GET says what it may do, DELETE ends
 * it. No page then needs to keep the key: the cookie is for the browser alone.
 */
export function sessionPages(door: Door, log: Logger) {
  const { gatekeeper, sessions } = door;
  const guesses = new LRUCache<string, TokenBucket>({ max: ADDRESSES });

  const begin = (asking: Asking, address: string): Answer => {
    // A bucket's second is a minute here.
    const now = (performance.now() / MINUTE) * 1000;
    const bucket = guesses.get(address) ?? new TokenBucket(GUESSES, now);
    guesses.set(address, bucket);
    if (!bucket.holds(now)) throw new FoilbankError('FB_SIGN_IN_LIMITED', { address });
    try {
      const holder = gatekeeper.holderOf(asking.header('authorization'));
      const cookie = cookieOf(asking, sessions.begin(holder), sessions.limits.longestMs);
      log.info({ key: holder.id, sessions: sessions.count }, 'session begun');
      return { body: { scopes: gatekeeper.scopesOf(holder), open: false }, cookies: [cookie] };
    } catch (error) {
      bucket.take(now);
      throw error;
    }
  };

  const answer = (request: IncomingMessage): Answer => {
    const asking = askingOf(request);
    // A program that begins a session is no browser, and tells no origin.
    const fromBrowser = asking.header('origin') || asking.header('sec-fetch-site');
    if (fromBrowser || request.method === 'DELETE') door.checkPage(asking);
    const id = sessionIdOf(asking);
    if (request.method === 'DELETE') {
      if (id !== undefined) sessions.end(id);
      return { body: {}, cookies: COOKIES.map((name) => cookieOf(asking, '', 0, name)) };
    }
    if (gatekeeper.open)
      return { body: { scopes: gatekeeper.scopesOf(gatekeeper.holderOf(undefined)), open: true } };
    if (request.method === 'POST') return begin(asking, request.socket.remoteAddress ?? '');
    if (id === undefined) throw new FoilbankError('FB_SESSION_ENDED', {});
    return { body: { scopes: sessions.scopesOf(id), open: false } };
  };

  const page = (request: IncomingMessage, response: ServerResponse): Page => {
    if (!['GET', 'HEAD', 'POST', 'DELETE'].includes(request.method ?? ''))
      return { status: 405, type: 'text/plain', body: 'GET, POST or DELETE\n' };
    response.setHeader('cache-control', 'no-store');
    try {
      const { body, cookies } = answer(request);
      if (cookies) response.setHeader('set-cookie', cookies);
      return { status: 200, type: 'application/json', body: `${JSON.stringify(body)}\n` };
    } catch (error) {
      return refusal(error);
    }
  };

  return (request: IncomingMessage, response: ServerResponse): void =>
    send(request, response, page(request, response));
}

/** Over TLS, or where the page came through a proxy that speaks it, the browser may send it over TLS only. */
function cookieOf(asking: Asking, value: string, ageMs: number, given?: (typeof COOKIES)[number]): string {
  const secure = asking.url.startsWith('https:') || asking.header('origin')?.startsWith('https:') === true;
  const name = given ?? (secure ? COOKIES[0] : COOKIES[1]);
  return stringifySetCookie({
    ...{ name, value, path: '/', httpOnly: true, sameSite: 'strict' },
    ...{ secure: name === COOKIES[0], maxAge: Math.floor(ageMs / 1000) },
  });
}
