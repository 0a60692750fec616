import { signal } from '@preact/signals';
import type { Bank } from '../../src/gen/index.js';

/** The banks that the server serves, and which of them the pages are about. */
export const banks = signal<readonly Bank[]>([]);
export const chosenBank = signal('');

export const currentBank = (): Bank | undefined =>
  banks.value.find(({ name }) => name === chosenBank.value) ?? banks.value[0];
