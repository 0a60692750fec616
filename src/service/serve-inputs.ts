import type { Config } from '../config.js';
import type { RedisSettings } from '../jobs/index.js';
import type { Logger } from '../log.js';
import type { Readiness } from './pages.js';
import type { ServeSettings } from './settings.js';

export interface ServeInputs {
  readonly config: Pick<Config, 'store' | 'threads' | 'cards' | 'cache'>;
  readonly settings: ServeSettings;
  /** One that is still being read rejects the start when it is wrong, and holds up no bank. */
  readonly redis?: RedisSettings | undefined | Promise<RedisSettings | undefined>;
  readonly log: Logger;
}

export interface Service {
  readonly url: string;
  readonly readiness: () => Readiness;
  /** Resolves once every bank was looked at for the first time. */
  readonly loaded: Promise<void>;
  /** Refuses new requests, lets those under way finish, and frees everything. */
  close(): Promise<void>;
}
