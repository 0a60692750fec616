import type { Manifest } from '../bank/index.js';
import { FoilbankError } from '../errors.js';
import type { OperatorSettings } from '../scoring/index.js';
import { operatorId, operatorOfId, resolveOperatorSettings } from '../scoring/index.js';

export interface ThresholdChoice {
  readonly case: 'threshold' | 'thresholdPreset' | undefined;
  readonly value?: number | string | undefined;
}

/**
 * What aligned scores are read against: a number, or a preset such as `fmr-1e-3` that the bank's calibration measured. A preset
 * holds for the recommended operator and K alone.
 *
 * @param k of the request
 * @returns undefined where nothing was asked for
 * @throws FoilbankError FB_THRESHOLD_UNKNOWN
 */
export function thresholdOf(
  { bank, version, parameters }: Manifest,
  choice: ThresholdChoice,
  settings: OperatorSettings,
  k: number,
): { readonly value: number; readonly origin: string } | undefined {
  if (choice.case === undefined) return undefined;
  if (choice.case === 'threshold') return { value: choice.value as number, origin: 'request' };
  const recommended =
    operatorId(settings.operator) === parameters.operator &&
    settings.lambda === parameters.lambda &&
    k === parameters.neighbours;
  const { calibration } = parameters;
  const measured = calibration.kind === 'none' || !recommended ? [] : calibration.thresholds;
  const known = measured.map(({ falseMatchRate, threshold }) => ({
    origin: `fmr-${falseMatchRate.toExponential()}`,
    value: threshold,
  }));
  const found = known.find(({ origin }) => origin === choice.value);
  if (found) return found;
  throw new FoilbankError('FB_THRESHOLD_UNKNOWN', {
    ...{ bank, version, preset: JSON.stringify(choice.value) },
    known: known.map(({ origin }) => origin).join(', ') || 'none for this operator and K',
  });
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
