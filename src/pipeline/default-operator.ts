import { type OperatorSettings, resolveOperatorSettings } from '../scoring/index.js';

/**
 * Embedders of which labelled photos have said what alignment does, by the SHA-256 of their graphs: docs/accuracy.md has the figures. An
 * embedder that parts strangers well already can lose by every operator, and no unlabelled photo or face tells which it is
 * (docs/calibration.md).
 */
const MEASURED: ReadonlySet<string> = new Set([
  // The default recogniser.
  '577106e15ce45255c4bb5fa5f4188bbdf5b3001216d180532744ea5280fbe495',
]);

/**
 * What a bank recommends where nobody chose: `none` for an embedder that was never measured; else a gentle `shift` over faces as they are,
 * and `standardise` over calibrated ones.
 */
export function defaultOperator(
  embedder: { readonly sha256: string },
  calibrated: boolean,
): OperatorSettings {
  const lambda = calibrated ? 1 : 0.25;
  if (!MEASURED.has(embedder.sha256)) return resolveOperatorSettings({ operator: 'none', lambda });
  return resolveOperatorSettings({ operator: calibrated ? 'standardise' : 'shift', lambda });
}
