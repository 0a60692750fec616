import { askOwnFaces, firstFaces, type Typicals, typicalsOf } from '../../src/discrepancy/index.js';
import type { SupportSearch } from '../../src/neighbours/index.js';
import type { UnitMatrix } from '../../src/vectors/index.js';

/** What a bank's manifest would say is typical. @param faces the first rows of what is searched */
export const ownTypicals = async (
  search: SupportSearch,
  faces: UnitMatrix,
  ks: readonly number[],
): Promise<Typicals> => typicalsOf(await askOwnFaces(search, firstFaces(faces), ks));
