import { type BankStore, type Manifest, pruneBank } from '../bank/index.js';
import { FoilbankError } from '../errors.js';
import {
  type BuildStep,
  buildBank,
  ensureParts,
  type GateResult,
  gatesAgainstService,
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
  /** What could not be compared or tidied up; the flow goes on. */
  readonly onWarning?: (sentence: string) => void;
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
  { pool, store, folders, makers, pairs }: JobServices,
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
    gates: async (fresh) => {
      const accuracy = pairs && { pairs, networks };
      const accept = payload.acceptShift;
      const against = await gatesAgainstService({ pool, store, bank, fresh, accuracy, accept, signal });
      for (const sentence of against.warnings) control.onWarning?.(sentence);
      return against.gates;
    },
  });
  if (payload.keep !== undefined) await prune(store, bank, payload.keep, control);
  return { outcome: built ? 'published' : 'unchanged', manifest };
}

/** A version that is published stays so whatever becomes of the old ones: what was not removed goes after the next refresh. */
async function prune(store: BankStore, bank: string, keep: number, { signal, onWarning }: FlowControl) {
  try {
    await pruneBank(store, bank, { keep, ...(signal ? { signal } : {}) });
  } catch (error) {
    if (!(error instanceof FoilbankError)) throw error;
    onWarning?.(`old versions were not removed: ${error.message}`);
  }
}

function chunkOf({ bank, state }: FlowPayload, first: number): ChunkPayload {
  if (!state.plan) throw new TypeError('a flow without a plan has no chunks');
  const { psi, chunkSize, minimumScore, duplicateCeiling } = state.plan.options;
  const options = { psi, firstSeed: first, chunkSize, minimumScore, duplicateCeiling };
  return { version: PAYLOAD_VERSION, bank, networks: state.plan.networks, options };
}
