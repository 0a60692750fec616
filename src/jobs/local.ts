import type { BuildStep, GateResult, OnSeeds } from '../pipeline/index.js';
import { type FlowResult, runFlow } from './flow.js';
import type { FlowRequest } from './payloads.js';
import { flowOf, newFlowId } from './queues.js';
import type { JobServices } from './services.js';

export interface LocalRun {
  readonly signal?: AbortSignal;
  readonly onSeeds?: OnSeeds;
  readonly onStep?: (step: BuildStep) => void;
  readonly onGates?: (results: readonly GateResult[]) => void;
  readonly onWarning?: (sentence: string) => void;
}

/**
 * Runs a flow in this process, without Redis: the same handler, which makes the chunks itself. What an interruption leaves in
 * the store is taken up by the next run.
 *
 * @throws FoilbankError as `runFlow`
 */
export function runLocally(
  services: JobServices,
  request: Omit<FlowRequest, 'version'>,
  run: LocalRun = {},
): Promise<FlowResult> {
  const payload = flowOf(request);
  return runFlow(services, payload, { ...run, id: newFlowId(payload.bank), remember: async () => {} });
}
