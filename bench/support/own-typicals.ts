import { askOwnFaces, type Typicals, typicalsOf } from '../../src/discrepancy/index.js';
import type { SupportSearch } from '../../src/neighbours/index.js';
import type { UnitMatrix } from '../../src/vectors/index.js';

/** As many faces as a bank asks itself about. */
const FACES = 2000;

/** The first of a bank's faces, as many as it measures itself by. */
export const firstFaces = (faces: UnitMatrix): UnitMatrix => faces.slice(0, Math.min(FACES, faces.rows));

/** What a bank's manifest would say is typical. @param faces the first rows of what is searched */
export const ownTypicals = async (
  search: SupportSearch,
  faces: UnitMatrix,
  ks: readonly number[],
): Promise<Typicals> => typicalsOf(await askOwnFaces(search, firstFaces(faces), ks));
