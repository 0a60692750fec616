import { type BankStore, showBank } from '../bank/index.js';
import { adviceOf, FoilbankError, reasonOf } from '../errors.js';
import type { Logger } from '../log.js';
import type { EngineThread } from './engine-spare.js';
import type { ServiceMetrics } from './metrics.js';
import { OlderVersion } from './older-version.js';
import { type BatchSettings, Serving } from './serving.js';

export interface HolderSettings {
  readonly store: BankStore;
  readonly bank: string;
  readonly threads: number;
  readonly batches: BatchSettings;
  /** Milliseconds between looks at which version is in service. */
  readonly pollMs: number;
  /** Milliseconds that an older version stays loaded after the last lookup that named it. */
  readonly olderIdleMs: number;
  readonly log: Logger;
  readonly metrics: ServiceMetrics;
  /** For the first version: started while everything else was. */
  readonly thread?: EngineThread | undefined;
}

/** Milliseconds before a version that was refused is tried again: it may have been mended, and reading it all costs. */
const RETRY_MS = 60_000;

/**
 * Keeps the version in service ready. A new one is loaded, verified and warmed beside the one that serves, and takes its place
 * in one step; one that cannot be served is refused, and the old one stays.
 */
export class BankHolder {
  #serving: Serving | undefined;
  #refused: { readonly version: string; readonly until: number; readonly reason: string } | undefined;
  #fault: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #closed = false;
  #thread: EngineThread | undefined;
  readonly #older: OlderVersion;

  constructor(readonly settings: HolderSettings) {
    const { store, bank, olderIdleMs: idleMs, thread } = settings;
    this.#thread = thread;
    this.#older = new OlderVersion({ store, bank, idleMs, open: (version) => this.#open(version) });
  }

  get bank(): string {
    return this.settings.bank;
  }

  get serving(): Serving | undefined {
    return this.#serving;
  }

  /** What keeps a newer version, or any, from serving. */
  get notes(): readonly string[] {
    const { bank } = this.settings;
    return [
      ...(this.#refused
        ? [`bank ${bank}: version ${this.#refused.version} was refused: ${this.#refused.reason}`]
        : []),
      ...(this.#fault === undefined ? [] : [`bank ${bank}: ${this.#fault}`]),
    ];
  }

  /** The version that serves, held: the caller releases it. @throws FoilbankError FB_BANK_UNREADY */
  hold(): Serving {
    if (this.#serving) return this.#serving.hold();
    const reason = this.notes.join('; ') || 'it is being loaded';
    throw new FoilbankError('FB_BANK_UNREADY', { bank: this.bank, reason });
  }

  /**
   * As `hold`, of the kept version named, which is loaded when it is not the one that serves.
   *
   * @param version '': the one that serves
   * @throws FoilbankError as `hold` and `OlderVersion.take`
   */
  async take(version: string): Promise<Serving> {
    if (version === '' || version === this.#serving?.facts.manifest.version) return this.hold();
    return this.#older.take(version);
  }

  /** Looks now, then again and again. Resolves after the first look, whatever came of it. */
  async start(): Promise<void> {
    await this.look();
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.start(), this.settings.pollMs);
    this.#timer.unref();
  }

  /** One look at a time. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#looking;
    const last = this.#serving;
    this.#serving = undefined;
    await Promise.all([last?.retire(), this.#older.close(), this.#thread?.close()]);
  }

  async #look(): Promise<void> {
    const { store, bank, log } = this.settings;
    try {
      const { version } = await showBank(store, bank);
      this.#fault = undefined;
      const known = this.#serving && !this.#serving.engine.dead ? this.#serving.facts.manifest.version : '';
      if (version === known) this.#refused = undefined;
      else if (this.#refused?.version !== version || performance.now() > this.#refused.until)
        await this.#load(version);
    } catch (error) {
      const fault = adviceOf(error);
      if (fault !== this.#fault) log.warn({ bank, reason: fault }, 'the store cannot be asked');
      this.#fault = fault;
    }
  }

  #open(version: string): Promise<Serving> {
    const { store, bank, threads, batches, metrics } = this.settings;
    const onBatch = (rows: number) => metrics.batchRows.observe({ bank }, rows);
    const thread = this.#thread;
    this.#thread = undefined;
    return Serving.open({ store: store.location, bank, version, threads }, batches, onBatch, thread);
  }

  async #load(version: string): Promise<void> {
    const { bank, log, metrics } = this.settings;
    const started = performance.now();
    try {
      const next = await this.#open(version);
      const before = this.#serving;
      this.#serving = next;
      this.#refused = undefined;
      const { manifest } = next.facts;
      metrics.swapped(manifest);
      const seconds = (performance.now() - started) / 1000;
      log.info({ bank, version, before: before?.facts.manifest.version, seconds }, 'version serves');
      await before?.retire();
    } catch (error) {
      const reason = reasonOf(error);
      this.#refused = { version, reason: adviceOf(error), until: performance.now() + RETRY_MS };
      const code = error instanceof FoilbankError ? error.code : 'FB_UNEXPECTED';
      metrics.refused.inc({ bank, code });
      log.error({ bank, version, code, reason }, 'version refused');
    }
  }
}
