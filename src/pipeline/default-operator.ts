import type { GeneratorCard } from '../onnx/index.js';
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

/** The default generator, whose faces bear twice the `shift`: by the SHA-256 of its graph, and the faults that they get. */
const MEASURED_FACES: Faces = {
  sha256: '76608915374c498cff75ecaf9d48190c16eec03b201c975c87046d11f3982136',
  quality: 'mixed-quality/2',
};
type Faces = Pick<GeneratorCard, 'sha256' | 'quality'>;

/**
 * What a bank recommends where nobody chose: `none` for an embedder that was never measured; else a gentle `shift` over faces as they are,
 * and `fuse` over calibrated ones.
 *
 * @param faces the generator of faces as they are; none where they are calibrated
 */
export function defaultOperator(embedder: { readonly sha256: string }, faces?: Faces): OperatorSettings {
  const lambda = faces ? gentle(faces) : 1;
  if (!MEASURED.has(embedder.sha256)) return resolveOperatorSettings({ operator: 'none', lambda });
  return resolveOperatorSettings({ operator: faces ? 'shift' : 'fuse', lambda });
}

/** λ that lowers the true accept rate nowhere by more than 0.2 points (docs/calibration.md). */
const gentle = ({ sha256, quality }: Faces): number =>
  sha256 === MEASURED_FACES.sha256 && quality === MEASURED_FACES.quality ? 0.5 : 0.25;
