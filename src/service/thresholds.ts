import type { Manifest } from '../bank/index.js';
import { FoilbankError } from '../errors.js';
import type { OperatorSettings } from '../scoring/index.js';
import { operatorOfId, resolveOperatorSettings } from '../scoring/index.js';

export interface ThresholdChoice {
  readonly case: 'threshold' | 'thresholdPreset' | undefined;
  readonly value?: number | string | undefined;
}

/**
 * What aligned scores are read against.
 *
 * @returns undefined where nothing was asked for
 * @throws FoilbankError FB_THRESHOLD_UNKNOWN: banks that are not calibrated have no presets
 */
export function thresholdOf(
  { bank, version }: Manifest,
  choice: ThresholdChoice,
): { readonly value: number; readonly origin: string } | undefined {
  if (choice.case === undefined) return undefined;
  if (choice.case === 'threshold') return { value: choice.value as number, origin: 'request' };
  throw new FoilbankError('FB_THRESHOLD_UNKNOWN', { bank, version, preset: JSON.stringify(choice.value) });
}

/** What was asked for, and what the bank recommends for the rest. @throws FoilbankError FB_OPTION_INVALID */
export function operatorSettingsOf(
  { parameters }: Manifest,
  asked: { readonly operator: string; readonly lambda?: number | undefined },
): OperatorSettings {
  return resolveOperatorSettings({
    operator: (asked.operator || operatorOfId(parameters.operator)) as OperatorSettings['operator'],
    lambda: asked.lambda ?? parameters.lambda,
  });
}
