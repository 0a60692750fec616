import type { Manifest } from '../bank/index.js';
import { fingerprint } from '../onnx/index.js';
import { operatorOfId } from '../scoring/index.js';
import type { BuildOptions } from './build-options.js';
import type { Networks } from './candidate-maker.js';

/** The operator and λ that labelled photos chose for a bank in service, where they were of this embedder: the default of its next build. */
export function chosenByPhotos(
  service: Manifest | undefined,
  { embedder }: Pick<Networks, 'embedder'>,
): Partial<Pick<BuildOptions, 'operator' | 'lambda'>> {
  if (!service?.parameters.tuning || service.inputs.embedder.cardSha256 !== fingerprint(embedder.card))
    return {};
  const { operator, lambda } = service.parameters;
  return { operator: operatorOfId(operator), lambda };
}

/** What labelled photos said, where it still holds: the same operator and λ over faces of the same generator and embedder. */
export function tuningThatHolds(
  service: Manifest | undefined,
  {
    inputs,
    operator,
    lambda,
  }: Pick<BuildOptions, 'operator' | 'lambda'> & { readonly inputs: Manifest['inputs'] },
): Manifest['parameters']['tuning'] {
  if (!service?.parameters.tuning) return undefined;
  const { inputs: old, parameters } = service;
  const holds =
    old.generator.cardSha256 === inputs.generator.cardSha256 &&
    old.embedder.cardSha256 === inputs.embedder.cardSha256 &&
    old.psi === inputs.psi &&
    operatorOfId(parameters.operator) === operator &&
    parameters.lambda === lambda;
  return holds ? parameters.tuning : undefined;
}
