import type { Manifest } from '../bank/index.js';
import { type OperatorName, operatorOfId } from '../scoring/index.js';

/**
 * The operator that a version recommends at a K: `fuse` goes by what is typical, which is known at the recommended K alone; at another one
 * `standardise` stands in for it, its nearest kin. @throws FoilbankError FB_OPTION_INVALID for an operator of a later version
 */
export function operatorAt(
  { operator, neighbours, typical }: Pick<Manifest['parameters'], 'operator' | 'neighbours' | 'typical'>,
  k: number,
): OperatorName {
  const recommended = operatorOfId(operator);
  return recommended === 'fuse' && !(typical && k === neighbours) ? 'standardise' : recommended;
}
