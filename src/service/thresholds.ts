import { create } from '@bufbuild/protobuf';
import type { Manifest } from '../bank/index.js';
import { operatorAt } from '../discrepancy/index.js';
import { FoilbankError } from '../errors.js';
import { TypicalSchema } from '../gen/index.js';
import type { OperatorSettings } from '../scoring/index.js';
import { operatorId, resolveOperatorSettings } from '../scoring/index.js';

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
  manifest: Manifest,
  choice: ThresholdChoice,
  settings: OperatorSettings,
  k: number,
): { readonly value: number; readonly origin: string } | undefined {
  const { bank, version } = manifest;
  if (choice.case === undefined) return undefined;
  if (choice.case === 'threshold') return { value: choice.value as number, origin: 'request' };
  const known = presetsFor(manifest, settings, k);
  const found = known.find(({ name }) => name === choice.value);
  if (found) return { value: found.threshold, origin: found.name };
  throw new FoilbankError('FB_THRESHOLD_UNKNOWN', {
    ...{ bank, version, preset: JSON.stringify(choice.value) },
    known: known.map(({ name }) => name).join(', ') || 'none for this operator and K',
  });
}

/** Thresholds that the calibration measured, by ascending strictness; none without one. */
export function presetsOf({ parameters: { calibration } }: Manifest) {
  if (calibration.kind === 'none') return [];
  return [...calibration.thresholds]
    .sort((a, b) => b.falseMatchRate - a.falseMatchRate)
    .map(({ falseMatchRate, threshold }) => ({
      ...{ name: `fmr-${falseMatchRate.toExponential()}`, falseMatchRate, threshold },
    }));
}

/** As `presetsOf`, but nothing for another operator or K than the recommended ones. */
export function presetsFor(manifest: Manifest, settings: OperatorSettings, k: number) {
  const { operator, lambda, neighbours } = manifest.parameters;
  const recommended =
    operatorId(settings.operator) === operator && settings.lambda === lambda && k === neighbours;
  return recommended ? presetsOf(manifest) : [];
}

/** What `fuse` goes by: measured at the recommended K alone. */
export const typicalAt = ({ parameters: { typical, neighbours } }: Manifest, k: number) =>
  typical && k === neighbours ? create(TypicalSchema, typical) : undefined;

/** What was asked for, and what the bank recommends at that K for the rest. @throws FoilbankError FB_OPTION_INVALID */
export function operatorSettingsOf(
  { parameters }: Manifest,
  asked: { readonly operator: string; readonly lambda?: number | undefined },
  k: number,
): OperatorSettings {
  return resolveOperatorSettings({
    operator: (asked.operator || operatorAt(parameters, k)) as OperatorSettings['operator'],
    lambda: asked.lambda ?? parameters.lambda,
  });
}
