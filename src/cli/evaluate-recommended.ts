import type { Manifest } from '../bank/index.js';
import { type DiscrepancyEstimate, operatorAt, VIRTUAL } from '../discrepancy/index.js';
import type { NamedAlignment } from '../evaluation/index.js';
import { resolveOperatorSettings } from '../scoring/index.js';

type Way = Pick<NamedAlignment, 'settings' | 'estimator' | 'k'>;

/** Whether a way of scoring is the one that a bank's version recommends. */
export function isRecommended({ parameters }: Manifest, { settings, estimator, k }: Way): boolean {
  const operator = operatorAt(parameters, parameters.neighbours);
  if (settings.operator !== operator) return false;
  if (operator === 'none') return true;
  const lambda = operator !== 'shift' || settings.lambda === parameters.lambda;
  return lambda && estimator === VIRTUAL && k === parameters.neighbours;
}

/** The ways of scoring and, where it is none of them, the one that the version recommends: its λ may be another than was asked for. */
export function withRecommended(
  manifest: Manifest,
  ways: readonly NamedAlignment[],
  estimates: readonly DiscrepancyEstimate[],
): readonly NamedAlignment[] {
  const { lambda, neighbours } = manifest.parameters;
  const stats = estimates.find(({ estimator, k }) => estimator === VIRTUAL && k === neighbours);
  if (!stats || ways.some((way) => isRecommended(manifest, way))) return ways;
  const operator = operatorAt(manifest.parameters, neighbours);
  const settings = resolveOperatorSettings({ operator, lambda });
  return [...ways, { settings, stats, estimator: VIRTUAL, k: neighbours }];
}
