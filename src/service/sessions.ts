import { createHash, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { FoilbankError } from '../errors.js';
import type { Caller, Gatekeeper, Holder } from './key-ring.js';
import type { ScopeName } from './keys.js';

export interface SessionLimits {
  /** Milliseconds without a request after which a session ends. */
  readonly idleMs: number;
  /** Milliseconds after which it ends in any case. */
  readonly longestMs: number;
}

interface Session {
  readonly holder: Holder;
  /** On the clock. */
  readonly until: number;
}

/** Sessions at once; one more ends the one that was used least lately. */
const MOST = 10_000;

const hashOf = (id: string): string => createHash('sha256').update(id).digest('hex');

/**
 * Sessions of browsers, which had better not keep an API key. They are in memory alone and stand for a key: what it may do, how
 * often, and until when is asked of the key at every request.
 */
export class Sessions {
  /** By the hash of the id, so that finding one takes no longer for an id that is nearly right. */
  readonly #sessions: LRUCache<string, Session>;

  /** @param clock whose `now` gives milliseconds and does not go back */
  constructor(
    readonly gatekeeper: Gatekeeper,
    readonly limits: SessionLimits,
    readonly clock: { now(): number } = performance,
  ) {
    this.#sessions = new LRUCache({
      ...{ max: MOST, ttl: limits.idleMs, updateAgeOnGet: true, ttlResolution: 0 },
      perf: clock,
    });
  }

  get count(): number {
    this.#sessions.purgeStale();
    return this.#sessions.size;
  }

  /** @returns the session's id, 256 random bits that only the browser keeps */
  begin(holder: Holder): string {
    const id = randomBytes(32).toString('base64url');
    this.#sessions.set(hashOf(id), { holder, until: this.clock.now() + this.limits.longestMs });
    return id;
  }

  end(id: string): void {
    this.#sessions.delete(hashOf(id));
  }

  /** @throws FoilbankError FB_SESSION_ENDED, FB_SCOPE_MISSING, FB_RATE_LIMITED */
  admit(id: string, scope: ScopeName): Caller {
    return this.#use(id, (holder) => this.gatekeeper.admitHolder(holder, scope));
  }

  /** @throws FoilbankError FB_SESSION_ENDED */
  scopesOf(id: string): readonly ScopeName[] {
    return this.#use(id, (holder) => this.gatekeeper.scopesOf(holder));
  }

  #use<T>(id: string, use: (holder: Holder) => T): T {
    const session = this.#sessions.get(hashOf(id));
    if (session && session.until > this.clock.now())
      try {
        return use(session.holder);
      } catch (error) {
        const gone = error instanceof FoilbankError && KEY_GONE.has(error.code);
        if (!gone) throw error;
      }
    this.end(id);
    throw new FoilbankError('FB_SESSION_ENDED', {});
  }
}

const KEY_GONE: ReadonlySet<string> = new Set(['FB_KEY_INVALID', 'FB_KEY_EXPIRED']);
