import { support } from './api.js';
import { banks } from './banks.js';

export async function loadBanks(): Promise<void> {
  banks.value = (await support.listBanks({})).banks;
}
