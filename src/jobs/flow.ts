import type { Manifest } from '../bank/index.js';
import {
  type BuildStep,
  buildBank,
  ensureParts,
  type GateResult,
  inputsOf,
  type OnSeeds,
  planRefresh,
} from '../pipeline/index.js';
import { type ChunkPayload, type FlowPayload, PAYLOAD_VERSION } from './payloads.js';
import type { JobServices } from './services.js';

/** What a flow needs of whoever runs it: a queue's worker, or the calling process itself. */
export interface FlowControl {
  /** Tries with one identity are one publication. */
  readonly id: string;
  readonly signal?: AbortSignal | undefined;
  /** Keeps the payload for the next try. */
  remember(payload: FlowPayload): Promise<void>;
  /** Has chunks made by others, and resolves once they are. Absent: they are made here. */
  readonly handOut?: (chunks: readonly ChunkPayload[], payload: FlowPayload) => Promise<void>;
  readonly onSeeds?: OnSeeds;
  readonly onStep?: (step: BuildStep) => void;
  readonly onGates?: (results: readonly GateResult[]) => void;
}

export interface FlowResult {
  readonly outcome: 'published' | 'unchanged' | 'parts';
  /** Absent where only parts were wanted. */
  readonly manifest?: Manifest;
}

/**
 * Job `flow` of queue `publish`: plans, has the chunks made, and publishes what they became. Payload: `FlowPayload`. The
 * store says what is still to do, so a flow may be broken off anywhere and taken up by anyone; its plan, made once, and its
 * identity make all tries one publication, byte for byte. Outcomes: published, unchanged, parts made, or what `buildBank`
 * throws: then the version in service stays.
 */
export async function runFlow(
  { pool, store, folders, makers }: JobServices,
  asked: FlowPayload,
  control: FlowControl,
): Promise<FlowResult> {
  const { bank } = asked;
  const plan = asked.state.plan ?? (await planRefresh(store, bank, folders, asked));
  const payload = { ...asked, state: { ...asked.state, plan } };
  if (!asked.state.plan) await control.remember(payload);
  const { networks, maker } = await makers.open(plan.networks);
  const { options, epoch, chunks, at } = plan;
  const { handOut, signal, onSeeds: onProgress } = control;
  const delegate =
    handOut &&
    ((missing: readonly { first: number }[]) =>
      handOut(
        missing.map(({ first }) => chunkOf(payload, first)),
        payload,
      ));
  const common = { pool, store, bank, maker, delegate, signal, onProgress };
  if (payload.partsOnly) {
    const inputs = inputsOf(networks, options, epoch);
    await ensureParts({ ...common, inputs, options }, Math.ceil(options.size / options.chunkSize));
    return { outcome: 'parts' };
  }
  const { manifest, built } = await buildBank({
    ...{ ...common, networks, options, epoch, chunks },
    ...{ force: payload.force ?? false, attempt: { id: control.id, at: new Date(at) } },
    ...{ onStep: control.onStep, onGates: control.onGates },
  });
  return { outcome: built ? 'published' : 'unchanged', manifest };
}

function chunkOf({ bank, state }: FlowPayload, first: number): ChunkPayload {
  if (!state.plan) throw new TypeError('a flow without a plan has no chunks');
  const { psi, chunkSize, minimumScore, duplicateCeiling } = state.plan.options;
  const options = { psi, firstSeed: first, chunkSize, minimumScore, duplicateCeiling };
  return { version: PAYLOAD_VERSION, bank, networks: state.plan.networks, options };
}
