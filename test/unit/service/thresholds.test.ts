import { expect, it } from 'vitest';
import type { Manifest } from '../../../src/bank/index.js';
import { operatorSettingsOf, thresholdOf } from '../../../src/service/thresholds.js';

const calibration = {
  ...{ kind: 'moments', samples: 500, components: 0, shrinkage: 0, neighboursShare: 0.02, reason: 'test' },
  thresholds: [{ falseMatchRate: 1e-3, threshold: 2.5 }],
};
const parameters = {
  operator: 'standardise/1',
  neighbours: 16,
  lambda: 1,
  engine: 'exact',
  index: {},
  calibration,
};
const manifest = { bank: 'b', version: '000001', parameters } as unknown as Manifest;
const preset = (name: string, k = 16, operator = '') =>
  thresholdOf(
    manifest,
    { case: 'thresholdPreset', value: name },
    operatorSettingsOf(manifest, { operator }, k),
    k,
  );

it('a preset is the calibration’s threshold, for the recommended operator and K alone', () => {
  expect(preset('fmr-1e-3')).toEqual({ origin: 'fmr-1e-3', value: 2.5 });
  expect(() => preset('fmr-1e-4')).toThrow('it has fmr-1e-3');
  expect(() => preset('fmr-1e-3', 17)).toThrow('none for this operator and K');
  expect(() => preset('fmr-1e-3', 16, 'shift')).toThrow('none for this operator and K');
});

it('fuse is recommended where the bank knows what is typical, and else its nearest kin', () => {
  const typical = { r: 0.6, sigma: 0.02 };
  const fusing = (more: object) =>
    ({ ...manifest, parameters: { ...parameters, operator: 'fuse/1', ...more } }) as unknown as Manifest;
  const at = (k: number, more: object = { typical }) => operatorSettingsOf(fusing(more), { operator: '' }, k);
  expect(at(16).operator).toBe('fuse');
  expect(at(17).operator).toBe('standardise');
  expect(at(16, {}).operator).toBe('standardise');
  expect(operatorSettingsOf(fusing({}), { operator: 'fuse' }, 17).operator).toBe('fuse');
});
