import { type BankStore, showBank } from '../bank/index.js';
import { FoilbankError } from '../errors.js';
import type { Serving } from './serving.js';

export interface OlderSettings {
  readonly store: BankStore;
  readonly bank: string;
  /** Milliseconds without a lookup after which it is let go. */
  readonly idleMs: number;
  open(version: string): Promise<Serving>;
}

/**
 * One version of a bank besides that in service, for those who ask for it by name: loaded when first asked for, let go when
 * another is asked for or nobody asks any more. So memory is that of two versions at most, and for the moment of a change three.
 */
export class OlderVersion {
  #kept: Serving | undefined;
  /** Loading and letting go come one after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(readonly settings: OlderSettings) {}

  /** The version that is loaded. */
  get version(): string | undefined {
    return this.#kept?.facts.manifest.version;
  }

  /**
   * The version, held: the caller releases it.
   *
   * @throws FoilbankError FB_BANK_NOT_FOUND, FB_BANK_VERSION_NOT_FOUND, FB_BANK_VERSION_REMOVED, FB_STOPPING, and as `Serving.open`
   */
  take(version: string): Promise<Serving> {
    return this.#inTurn(async () => {
      if (this.#closed) throw new FoilbankError('FB_STOPPING', {});
      if (this.version !== version || this.#kept?.engine.dead) {
        const { store, bank } = this.settings;
        // A name that nothing bears costs nobody the version that is loaded.
        await showBank(store, bank, version);
        await this.#letGo();
        this.#kept = await this.settings.open(version);
      }
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => void this.#inTurn(() => this.#letGo()), this.settings.idleMs);
      this.#timer.unref();
      return this.#kept!.hold();
    });
  }

  close(): Promise<void> {
    this.#closed = true;
    return this.#inTurn(() => this.#letGo());
  }

  async #letGo(): Promise<void> {
    clearTimeout(this.#timer);
    const last = this.#kept;
    this.#kept = undefined;
    await last?.retire();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }
}
