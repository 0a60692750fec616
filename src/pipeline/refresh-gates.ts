import { type Bank, type BankStore, type CandidateTable, type Manifest, openBank } from '../bank/index.js';
import {
  askOwnFaces,
  type DiscrepancyEstimate,
  facesAsked,
  typicalsOf,
  VirtualEstimator,
} from '../discrepancy/index.js';
import { FoilbankError } from '../errors.js';
import { ExactEngine, SupportSearch } from '../neighbours/index.js';
import type { InferencePool } from '../onnx/index.js';
import { alignScores, operatorOfId } from '../scoring/index.js';
import { UnitMatrix } from '../vectors/index.js';
import type { BuildOptions } from './build-options.js';
import type { CandidateMaker, Networks } from './candidate-maker.js';
import { changeOfRadius, cloudOf, shiftOfCentre, shiftOfDiscrepancies } from './drift.js';
import { driftLimits, leastAccuracy, leastYield, mostDuplicates, sharesOf } from './gate-limits.js';
import type { GateResult } from './index-bank.js';
import type { LabelledPairs } from './labelled-pairs.js';
import { compareAccuracy } from './pair-accuracy.js';
import { probeSet } from './probe-set.js';
import { changesSince, type Fresh } from './recipe-changes.js';

export interface RefreshGatesRequest {
  readonly pool: InferencePool;
  readonly store: BankStore;
  readonly bank: string;
  /** What is about to be published. */
  readonly fresh: Fresh & {
    readonly candidates: CandidateTable;
    readonly generated: number;
    readonly rejected: Readonly<Record<'undetected' | 'nearDuplicate', number>>;
    readonly maker: CandidateMaker;
  };
  /** Labelled pairs, and the networks that read their photos. */
  readonly accuracy?: { readonly pairs: LabelledPairs; readonly networks: Networks } | undefined;
  /** Measures everything and fails nothing. Default false. */
  readonly accept?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface AgainstService {
  /** A name that begins with `recorded.` is no gate: it says what a gate would have measured, and passes. */
  readonly gates: readonly GateResult[];
  /** What could not be compared and why, in plain sentences. */
  readonly warnings: readonly string[];
}

/**
 * The gates of a refresh against the version in service: detection yield, near-duplicates, place and width of the candidates'
 * cloud, r and σ on fixed probes, and accuracy on labelled pairs. A bank without a version in service has none. A damaged one
 * does not stop the refresh that mends it, and a recipe changed on purpose makes gates into records: both are said.
 *
 * @throws FoilbankError FB_YIELD_TOO_LOW, those of `LabelledPairs.embed`, FB_CANCELLED, and what networks and store throw
 */
export async function gatesAgainstService(request: RefreshGatesRequest): Promise<AgainstService> {
  const { store, bank, fresh, accept = false, signal } = request;
  const service = await openService(store, bank, signal);
  if (!service) return { gates: [], warnings: [] };
  if ('damaged' in service)
    return { gates: [], warnings: [`the version in service cannot be compared with: ${service.damaged}`] };
  const changes = changesSince(service.manifest, fresh);
  const warnings = [...changes.sentences];
  const gates: GateResult[] = [];
  const add = (held: boolean, gate: string, value: number, exact: number, passes: Comparison) => {
    // As it is told, so it is held.
    const limit = Number(exact.toPrecision(4));
    if (held && !accept) gates.push({ gate, passed: passes(value, limit), value, limit });
    else gates.push({ gate: `recorded.${gate}`, passed: true, value, limit });
  };

  const [before, after] = [sharesOf(service.manifest.counts), sharesOf(fresh)];
  add(changes.sameDetection, 'yieldOfService', after.yield, leastYield(before, after), atLeast);
  if (changes.sameEmbedder) {
    add(changes.sameFaces, 'nearDuplicates', after.duplicates, mostDuplicates(before, after), atMost);
    const { drift, limits } = await driftOf(request, service, fresh);
    add(changes.sameFaces, 'shiftOfCentre', drift.centre, limits.centre, atMost);
    add(changes.sameFaces, 'changeOfRadius', drift.radius, limits.radius, atMost);
    add(changes.sameSupport, 'shiftOfR', drift.r, limits.r, atMost);
    add(changes.sameSupport, 'changeOfSigma', drift.sigma, limits.sigma, atMost);
    const accuracy = await accuracyOf(request, service);
    if (accuracy) {
      const { before: old, after: now, noise, unreadable } = accuracy;
      // A wanted change of recipe is held to it all the more.
      add(true, 'accuracy', now, leastAccuracy(old, noise), atLeast);
      if (unreadable > 0)
        warnings.push(`labelled pairs left out because no face could be read in a photo: ${unreadable}`);
    }
  }
  return { gates, warnings };
}

type Comparison = (value: number, limit: number) => boolean;
// NaN passes neither.
const atMost: Comparison = (value, limit) => value <= limit;
const atLeast: Comparison = (value, limit) => value >= limit;

async function openService(
  store: BankStore,
  bank: string,
  signal?: AbortSignal,
): Promise<Bank | { readonly damaged: string } | undefined> {
  try {
    return await openBank(store, bank, signal ? { signal } : {});
  } catch (error) {
    if (!(error instanceof FoilbankError)) throw error;
    if (error.code === 'FB_BANK_NOT_FOUND') return undefined;
    if (error.code === 'FB_BANK_CORRUPT') return { damaged: error.message };
    throw error;
  }
}

async function driftOf(
  request: RefreshGatesRequest,
  service: Bank,
  { candidates, inputs, options, maker }: RefreshGatesRequest['fresh'],
) {
  const { pool, store, bank, signal } = request;
  const probes = await probeSet({ pool, store, bank, maker, inputs, signal });
  const [old, now] = [vectorsOf(service.candidates), vectorsOf(candidates)];
  const { parameters, inputs: oldInputs } = service.manifest;
  const before = await estimate(request, service.candidates, probes, parameters.neighbours, oldInputs);
  const after = await estimate(request, candidates, probes, options.neighbours, inputs);
  const [cloud, fresh] = [cloudOf(old), cloudOf(now)];
  return {
    drift: {
      ...shiftOfDiscrepancies(before, after),
      centre: shiftOfCentre(cloud, fresh),
      radius: changeOfRadius(cloud, fresh),
    },
    limits: driftLimits(cloud, now.rows),
  };
}

async function accuracyOf({ accuracy, fresh, ...request }: RefreshGatesRequest, service: Bank) {
  if (!accuracy) return undefined;
  const { embeddings, left, right, genuine, unreadable } = await accuracy.pairs.embed(
    accuracy.networks,
    request.signal,
  );
  const raw = Float64Array.from(left, (a, i) => embeddings.similarity(a, embeddings, right[i]!));
  const scores = async (
    candidates: CandidateTable,
    used: Pick<BuildOptions, 'neighbours' | 'operator' | 'lambda'>,
    inputs: Manifest['inputs'],
  ) =>
    alignScores(
      used,
      { raw, left, right },
      await estimate(request, candidates, embeddings, used.neighbours, inputs, used.operator === 'fuse'),
    );
  const { operator, ...parameters } = service.manifest.parameters;
  const before = await scores(
    service.candidates,
    { ...parameters, operator: operatorOfId(operator) },
    service.manifest.inputs,
  );
  const after = await scores(fresh.candidates, fresh.options, fresh.inputs);
  return { ...(await compareAccuracy(before, after, genuine, request.signal)), unreadable };
}

const vectorsOf = ({ embeddings, dimension }: CandidateTable): UnitMatrix =>
  UnitMatrix.adopt(embeddings, dimension, 'candidates');

/** r and σ of embeddings against candidates, by exact search: an index must not blur what is compared. */
async function estimate(
  { pool, signal }: Pick<RefreshGatesRequest, 'pool' | 'signal'>,
  candidates: CandidateTable,
  embeddings: UnitMatrix,
  neighbours: number,
  { embedder: { samePersonCeiling } }: Manifest['inputs'],
  withTypical = false,
): Promise<DiscrepancyEstimate> {
  const exact = await ExactEngine.create({ candidates: vectorsOf(candidates), pool });
  const options = signal ? { signal } : {};
  try {
    const search = new SupportSearch({ engine: exact, exact, samePersonCeiling });
    const own = withTypical ? await askOwnFaces(search, facesAsked(candidates), [neighbours], options) : [];
    return await new VirtualEstimator(search, neighbours, typicalsOf(own)).estimate(embeddings, options);
  } finally {
    await exact.close();
  }
}
