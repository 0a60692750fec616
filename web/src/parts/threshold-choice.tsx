import { useEffect, useId } from 'preact/hooks';
import type { Preset } from '../../../src/gen/index.js';
import { rate } from '../format.js';

/** What aligned scores are read against: a preset by name, or a number. */
export interface Threshold {
  readonly preset?: string;
  readonly value?: number;
}

const FIRST = 1e-3;

export function ThresholdChoice({
  presets,
  calibrated,
  choice,
  onChoice,
}: {
  presets: readonly Preset[];
  calibrated: boolean;
  choice: Threshold | undefined;
  onChoice: (t: Threshold | undefined) => void;
}) {
  const id = useId();
  useEffect(() => {
    const usual = presets.find(({ falseMatchRate }) => falseMatchRate <= FIRST * 1.01) ?? presets[0];
    onChoice(usual && { preset: usual.name });
  }, [presets.map(({ name }) => name).join()]);
  if (presets.length > 0)
    return (
      <fieldset class="thresholds">
        <legend>How many false matches are acceptable?</legend>
        {presets.map(({ name, falseMatchRate }) => (
          <label key={name}>
            <input
              type="radio"
              name={id}
              checked={choice?.preset === name}
              onChange={() => onChoice({ preset: name })}
            />
            {rate(falseMatchRate)}
          </label>
        ))}
      </fieldset>
    );
  return (
    <div class="thresholds">
      <label for={id}>
        Threshold on the aligned scale
        <span class="quiet">
          {calibrated
            ? ' (the presets hold for the recommended K, estimator and version only)'
            : ' (this bank has no presets: calibrate it with foilbank calibrate)'}
        </span>
      </label>
      <input
        {...{ id, type: 'number', step: 'any', value: choice?.value ?? '' }}
        onChange={({ currentTarget }) => {
          const value = currentTarget.valueAsNumber;
          onChoice(Number.isFinite(value) ? { value } : undefined);
        }}
      />
    </div>
  );
}
