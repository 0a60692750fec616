import { parseCookie } from 'cookie';
import { FoilbankError } from '../errors.js';
import { type Asking, parsedUrl } from './asking.js';
import type { Caller, Gatekeeper } from './key-ring.js';
import type { ScopeName } from './keys.js';
import type { Sessions } from './sessions.js';
import { isLoopback } from './settings.js';

/** A cookie of the first name is taken by browsers from this very host only, and over TLS only. */
export const COOKIES = ['__Host-foilbank-session', 'foilbank-session'] as const;

/**
 * Lets programs in by the key in their header, and browsers by the cookie of a session. A browser sends cookies along with
 * requests that other people's pages make, so a cookie opens nothing unless the request comes from this server's own pages.
 */
export class Door {
  constructor(
    readonly gatekeeper: Gatekeeper,
    readonly sessions: Sessions,
  ) {}

  /**
   * @param scope what is asked for needs
   * @throws FoilbankError FB_KEY_REQUIRED, FB_KEY_INVALID, FB_KEY_EXPIRED, FB_SCOPE_MISSING, FB_RATE_LIMITED, FB_SESSION_ENDED,
   *   FB_ORIGIN_REFUSED
   */
  admit(asking: Asking, scope: ScopeName): Caller {
    const { gatekeeper, sessions } = this;
    const authorization = asking.header('authorization');
    const id = gatekeeper.open || authorization ? undefined : sessionIdOf(asking);
    if (id !== undefined || gatekeeper.open) this.checkPage(asking);
    return id === undefined ? gatekeeper.admit(authorization, scope) : sessions.admit(id, scope);
  }

  /**
   * Whether a browser's request comes from a page of this server, as far as its headers tell. Where there are no keys, what no
   * browser sent passes.
   *
   * @throws FoilbankError FB_ORIGIN_REFUSED
   */
  checkPage(asking: Asking): void {
    const { open } = this.gatekeeper;
    const fromBrowser = Boolean(asking.header('origin') || asking.header('sec-fetch-site'));
    if (!open || fromBrowser) checkOwnPage(asking);
    // Without keys nothing else keeps out the pages of a name that was made to mean this machine. To them it is their own server,
    // and what they read there bears no sign of a browser.
    if (!open || !(fromBrowser || reads(asking))) return;
    const name = parsedUrl(asking.url)?.hostname ?? '';
    if (!isLoopback(name.replace(/^\[|\]$/g, ''))) throw refused(name);
  }
}

export function sessionIdOf(asking: Asking): string | undefined {
  const header = asking.header('cookie');
  if (!header) return undefined;
  const cookies = parseCookie(header);
  return COOKIES.map((name) => cookies[name]).find((id) => id !== undefined && id !== '');
}

/** `Origin` comes with everything that changes something; its scheme may be another where a proxy in front speaks TLS. */
function checkOwnPage(asking: Asking): void {
  const [origin, site] = [asking.header('origin'), asking.header('sec-fetch-site')];
  // `none` is an address that was typed, or a bookmark.
  if (site && site !== 'same-origin' && !(reads(asking) && site === 'none')) throw refused(origin || site);
  if (!origin && !reads(asking)) throw refused('an unknown page');
  if (origin && !isOwn(origin, asking)) throw refused(origin);
}

const reads = ({ method }: Asking): boolean => method === 'GET' || method === 'HEAD';

function isOwn(origin: string, { url }: Asking): boolean {
  const [from, own] = [parsedUrl(origin), parsedUrl(url)];
  if (!from || !own) return false;
  return from.host === own.host && (own.protocol !== 'https:' || from.protocol === 'https:');
}

const refused = (origin: string) =>
  new FoilbankError('FB_ORIGIN_REFUSED', { origin: JSON.stringify(origin) });
