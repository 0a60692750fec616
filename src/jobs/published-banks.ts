import { type BankStore, listBanks } from '../bank/index.js';
import { FoilbankError } from '../errors.js';
import type { Queues } from './queues.js';

const QUARTER = 90 * 24 * 3600;

/**
 * What was published through these queues, kept beside them. A store without one of these banks is away (a drive that is not
 * mounted reads as an empty folder) or another one: a first version made there would hide all that there were.
 */
export class PublishedBanks {
  constructor(private readonly queues: Queues) {}

  #key(bank: string): string {
    return `${this.queues.settings.prefix}:published:${bank}`;
  }

  async add(bank: string, version: string): Promise<void> {
    await this.queues.settings.connection.set(this.#key(bank), version, 'EX', QUARTER);
  }

  /** @throws FoilbankError FB_BANK_GONE, and what the store throws */
  async check(store: BankStore, bank: string): Promise<void> {
    const version = await this.queues.settings.connection.get(this.#key(bank));
    if (version === null || (await listBanks(store)).includes(bank)) return;
    throw new FoilbankError('FB_BANK_GONE', { store: store.location, bank, version });
  }
}
