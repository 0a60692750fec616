import { stat } from 'node:fs/promises';
import { FoilbankError, reasonOf } from '../errors.js';
import type { Logger } from '../log.js';
import { type ApiKey, keyOf, readKeys, SCOPES, type ScopeName, unexpired } from './keys.js';
import { TokenBucket } from './rate-limit.js';

/** Who calls. `id` is for logs and holds no secret. */
export interface Caller {
  readonly id: string;
}

/** Who was seen with a key. Another key of the same id is another holder. */
export interface Holder {
  readonly id: string;
  readonly sha256: string;
}

/** Decides whether a request may go on. */
export interface Gatekeeper {
  /** Everybody may do everything. */
  readonly open: boolean;
  /**
   * @param authorization the header, if any
   * @param scope what the method needs
   * @throws FoilbankError FB_KEY_REQUIRED, FB_KEY_INVALID, FB_KEY_EXPIRED, FB_SCOPE_MISSING, FB_RATE_LIMITED
   */
  admit(authorization: string | null | undefined, scope: ScopeName): Caller;
  /** Who sends this key, whatever it may do. @throws FoilbankError FB_KEY_REQUIRED, FB_KEY_INVALID, FB_KEY_EXPIRED */
  holderOf(authorization: string | null | undefined): Holder;
  /** What the holder's key may do now. @throws FoilbankError FB_KEY_INVALID once it was revoked, FB_KEY_EXPIRED */
  scopesOf(holder: Holder): readonly ScopeName[];
  /** As `admit`, for a holder. @throws FoilbankError FB_KEY_INVALID, FB_KEY_EXPIRED, FB_SCOPE_MISSING, FB_RATE_LIMITED */
  admitHolder(holder: Holder, scope: ScopeName): Caller;
  readonly notes: readonly string[];
  close(): void;
}

/** `--no-auth`: everybody may do everything. */
export const openDoor: Gatekeeper = {
  open: true,
  admit: () => ({ id: 'anyone' }),
  holderOf: () => ({ id: 'anyone', sha256: '' }),
  scopesOf: () => SCOPES,
  admitHolder: () => ({ id: 'anyone' }),
  notes: [],
  close: () => {},
};

const POLL_MS = 1000;

/** The keys of a file, read anew when it changes: a rotation needs no restart. A file gone bad changes nothing, and is said. */
export class KeyRing implements Gatekeeper {
  readonly open = false;
  #keys: ReadonlyMap<string, ApiKey>;
  #buckets = new Map<string, TokenBucket>();
  #stamp = '';
  #fault: string | undefined;
  readonly #timer: NodeJS.Timeout;

  private constructor(
    readonly file: string,
    keys: readonly ApiKey[],
    readonly log: Logger,
  ) {
    this.#keys = new Map(keys.map((key) => [key.id, key]));
    this.#timer = setInterval(() => void this.#look(), POLL_MS);
    this.#timer.unref();
  }

  /** @throws FoilbankError FB_FILE_UNREADABLE, FB_KEYS_INVALID */
  static async open(file: string, log: Logger): Promise<KeyRing> {
    const ring = new KeyRing(file, await readKeys(file), log);
    ring.#stamp = await stampOf(file);
    return ring;
  }

  get notes(): readonly string[] {
    return this.#fault === undefined ? [] : [`keys: ${this.#fault}; those read before it stay valid`];
  }

  admit(authorization: string | null | undefined, scope: ScopeName): Caller {
    return this.#allow(this.#keyOf(authorization), scope);
  }

  holderOf(authorization: string | null | undefined): Holder {
    const { id, sha256 } = this.#keyOf(authorization);
    return { id, sha256 };
  }

  scopesOf(holder: Holder): readonly ScopeName[] {
    return this.#keyHeldBy(holder).scopes;
  }

  admitHolder(holder: Holder, scope: ScopeName): Caller {
    return this.#allow(this.#keyHeldBy(holder), scope);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #keyOf(authorization: string | null | undefined): ApiKey {
    const token = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
    if (token === undefined) throw new FoilbankError('FB_KEY_REQUIRED', {});
    return keyOf(this.#keys, token, new Date());
  }

  #keyHeldBy({ id, sha256 }: Holder): ApiKey {
    const key = this.#keys.get(id);
    if (key?.sha256 !== sha256) throw new FoilbankError('FB_KEY_INVALID', {});
    return unexpired(key, new Date());
  }

  #allow({ id, scopes, rate }: ApiKey, scope: ScopeName): Caller {
    if (!scopes.includes(scope)) throw new FoilbankError('FB_SCOPE_MISSING', { id, scope });
    if (rate !== undefined && !this.#bucket(id, rate).take(performance.now()))
      throw new FoilbankError('FB_RATE_LIMITED', { id, rate });
    return { id };
  }

  #bucket(id: string, rate: number): TokenBucket {
    const known = this.#buckets.get(id);
    if (known?.rate === rate) return known;
    const bucket = new TokenBucket(rate, performance.now());
    this.#buckets.set(id, bucket);
    return bucket;
  }

  async #look(): Promise<void> {
    try {
      const stamp = await stampOf(this.file);
      if (stamp === this.#stamp) return;
      this.#stamp = stamp;
      const keys = await readKeys(this.file);
      this.#keys = new Map(keys.map((key) => [key.id, key]));
      this.#fault = undefined;
      this.log.info({ keys: keys.length }, 'API keys read anew');
    } catch (error) {
      const reason = reasonOf(error);
      if (reason !== this.#fault) this.log.error({ reason }, 'API keys cannot be read');
      this.#fault = reason;
      this.#stamp = '';
    }
  }
}

async function stampOf(file: string): Promise<string> {
  const { mtimeMs, size, ino } = await stat(file);
  return `${mtimeMs} ${size} ${ino}`;
}
