import { FoilbankError } from '../errors.js';

/** Where everything of a bank lies in a store, and what names may look like. Keys are relative, with forward slashes. */
const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** @throws FoilbankError FB_BANK_NAME_INVALID */
export function layoutOf(bank: string): Layout {
  if (!isBankName(bank)) throw new FoilbankError('FB_BANK_NAME_INVALID', { name: JSON.stringify(bank) });
  const version = (name: string) => `${bank}/versions/${name}`;
  return {
    bank,
    current: `${bank}/CURRENT`,
    published: `${bank}/published`,
    publication: (generation) => `${bank}/published/${String(generation).padStart(8, '0')}`,
    claims: `${bank}/claims`,
    claim: (name) => `${bank}/claims/${name}`,
    versions: `${bank}/versions`,
    version,
    manifest: (name) => `${version(name)}/manifest.json`,
    file: (name, path) => `${version(name)}/${path}`,
    evaluations: `${bank}/evaluations`,
    evaluationsOf: (name) => `${bank}/evaluations/${name}`,
    parts: `${bank}/parts`,
  };
}

export interface Layout {
  readonly bank: string;
  /** The publication last made, as a file of its own; see publication.ts. */
  readonly current: string;
  readonly published: string;
  publication(generation: number): string;
  /** Empty objects, one for every version number ever taken, so that none is taken twice. */
  readonly claims: string;
  claim(version: string): string;
  readonly versions: string;
  version(version: string): string;
  manifest(version: string): string;
  file(version: string, path: string): string;
  /** What evaluations said of versions, beside them: a version never changes. */
  readonly evaluations: string;
  evaluationsOf(version: string): string;
  readonly parts: string;
}

export function isBankName(name: string): boolean {
  return NAME.test(name);
}

export function versionName(number: number): string {
  return String(number).padStart(6, '0');
}
