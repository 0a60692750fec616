import { type Bank, type BankStore, candidateId, openBank, rowOf } from '../bank/index.js';
import { FoilbankError } from '../errors.js';
import {
  ExactEngine,
  exactAbove,
  HnswEngine,
  type NeighbourEngine,
  SupportSearch,
} from '../neighbours/index.js';
import type { InferencePool } from '../onnx/index.js';
import { operatorOfId } from '../scoring/index.js';
import { UnitMatrix } from '../vectors/index.js';
import type { Estimator } from './estimator.js';
import { type EstimatorName, estimatorNamed } from './open-learned.js';
import { VirtualEstimator } from './virtual.js';

/** A bank ready to be asked. */
export interface Support {
  readonly bank: Bank;
  readonly search: SupportSearch;
  /** Estimates r and σ as it was asked for, by default by looking the bank up with the K that it recommends. */
  readonly estimator: Estimator;
  /** The lookup itself. */
  readonly virtual: VirtualEstimator;
  /** What users of this bank should know, in plain sentences. */
  readonly warnings: readonly string[];
  /** Identity label of a candidate's row. */
  identity(row: number): string;
  close(): Promise<void>;
}

/**
 * Opens a bank and its index, each file after its hash was checked.
 *
 * @param k K for the estimator, default the bank's own; 1..the number of candidates
 * @param look sees the candidates, [n, d], once; they then lie in memory once only, where they are searched, and `bank` has none.
 *   The pool must have one thread
 * @param estimator default `virtual`
 * @throws FoilbankError of `openBank`, FB_BANK_CORRUPT, FB_OPTION_INVALID, FB_LEARNED_ABSENT
 */
export async function openSupport(
  pool: InferencePool,
  store: BankStore,
  name: string,
  options: {
    readonly version?: string | undefined;
    readonly k?: number | undefined;
    readonly estimator?: EstimatorName | undefined;
    readonly look?: (candidates: UnitMatrix) => void;
  } = {},
): Promise<Support> {
  const { version, look } = options;
  const bank = await openBank(store, name, { shared: !look, ...(version === undefined ? {} : { version }) });
  const { manifest, candidates } = bank;
  const { neighbours, typical } = manifest.parameters;
  const k = options.k ?? neighbours;
  const rows = candidates.seeds.length;
  if (!Number.isInteger(k) || k < 1 || k > rows)
    throw new FoilbankError('FB_OPTION_INVALID', {
      option: 'k',
      value: k,
      expected: `a whole number from 1 to the bank's ${rows}`,
    });
  const vectors = UnitMatrix.adopt(candidates.embeddings, candidates.dimension, `bank ${name}`);
  look?.(vectors);
  const exact = await ExactEngine.create({ candidates: vectors, pool, giveAway: look !== undefined });
  const engine = await engineOf(bank, exact);
  const identity = (row: number) => candidateId(candidates.seeds[row] as number);
  const search = new SupportSearch({
    engine,
    exact,
    ...(engine === exact ? {} : { exactAbove: exactAbove({ candidates: rows, k: neighbours }) }),
    // Every candidate has an identity of its own.
    identities: (label) => {
      const row = rowOf(candidates.seeds, label);
      return row === undefined ? [] : [row];
    },
    samePersonCeiling: manifest.inputs.embedder.samePersonCeiling,
  });
  const virtual = new VirtualEstimator(search, k, new Map(typical ? [[neighbours, typical]] : []));
  const { learned, warnings } = await estimatorNamed(pool, bank, virtual, options.estimator ?? 'virtual');
  return {
    bank,
    search,
    estimator: learned ?? virtual,
    virtual,
    warnings: [...warningsOf(bank), ...warnings],
    identity,
    close: async () => {
      await Promise.all([exact.close(), ...(engine === exact ? [] : [engine.close()]), learned?.close()]);
    },
  };
}

async function engineOf(bank: Bank, exact: ExactEngine): Promise<NeighbourEngine> {
  const { manifest, candidates } = bank;
  if (manifest.parameters.engine !== 'hnsw') return exact;
  const described = manifest.files.find((f) => f.path === 'index.hnsw');
  const file = await bank.localFile('index.hnsw');
  if (!described || file === undefined)
    throw new FoilbankError('FB_BANK_CORRUPT', {
      file: `${bank.name}/index.hnsw`,
      reason: 'the manifest promises it',
    });
  const { dimension } = candidates;
  return HnswEngine.load({ file, sha256: described.sha256, candidates: candidates.seeds.length, dimension });
}

function warningsOf({ name, manifest }: Bank): string[] {
  const { calibration, tuning, operator } = manifest.parameters;
  const recommendsRaw = operatorOfId(operator) === 'none';
  // Labelled photos know better than any default.
  if (tuning) return recommendsRaw ? [`bank ${name} recommends raw similarities: ${tuning.reason}`] : [];
  return [
    ...(recommendsRaw
      ? [
          `bank ${name} recommends raw similarities: no labelled photos have said what alignment does to embedder ${manifest.inputs.embedder.name}; foilbank tune asks them`,
        ]
      : []),
    // docs/calibration.md: `standardise` over faces as they are lowers accuracy, a gentle `shift` does not.
    ...(calibration.kind === 'none'
      ? [
          `bank ${name} is not calibrated to real embeddings: aligned scores may be less accurate than raw ones; foilbank calibrate mends it`,
        ]
      : []),
  ];
}
