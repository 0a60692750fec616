import {
  type Bank,
  type BankDraft,
  type BankStore,
  type CandidateTable,
  type Manifest,
  openBank,
  publishBank,
} from '../bank/index.js';
import { checkWhole } from '../checks.js';
import { type Calibration, LEARNED_FILE, type LearnedHead, learnEstimator } from '../discrepancy/index.js';
import { FoilbankError } from '../errors.js';
import type { InferencePool } from '../onnx/index.js';
import { latents } from '../synthesis/index.js';
import { UnitMatrix } from '../vectors/index.js';
import { calibrationOf } from './calibrate-faces.js';
import { type LessonSource, lessonsOf } from './lessons.js';

export interface LearnOptions {
  /** Queries that the bank is asked, to learn from its answers. 500..1,000,000; default 72,000. */
  readonly lessons?: number | undefined;
  /** At most so many steps of learning, of 512 lessons each. 1..1,000,000; default 3,000. */
  readonly steps?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** @param error of learning so far: root mean square on held-out lessons, in deviations */
  readonly onProgress?: (step: 'asking' | 'learning', done: number, total: number, error?: number) => void;
}

export interface LearnRequest extends LearnOptions {
  /** Its threads are asked at once; the learning takes one of them. */
  readonly pool: InferencePool;
  readonly store: BankStore;
  readonly bank: string;
}

/** A bank of fewer candidates is looked up sooner than it is learned. */
const FEWEST_CANDIDATES = 250;

/**
 * Learns what a bank answers, r and σ at its K, and publishes a version with the network beside the same candidates.
 *
 * @throws FoilbankError FB_LEARN_TOO_FEW, FB_OPTION_INVALID, FB_CANCELLED, and those of `openBank` and `publishBank`
 */
export async function learnBank({ pool, store, bank: name, ...options }: LearnRequest): Promise<Manifest> {
  const publishing = options.signal ? { signal: options.signal } : {};
  const bank = await openBank(store, name, publishing);
  const { manifest, candidates } = bank;
  const rows = candidates.seeds.length;
  if (rows < FEWEST_CANDIDATES)
    throw new FoilbankError('FB_LEARN_TOO_FEW', { bank: name, candidates: rows, needed: FEWEST_CANDIDATES });
  const { inputs, parameters } = manifest;
  const { neighbours } = parameters;
  const learned = await partsOf(pool, candidates, inputs, neighbours, await calibrationOf(bank), options);
  const draft = await unchanged(bank);
  return publishBank(
    store,
    name,
    {
      ...draft,
      parameters: { ...draft.parameters, ...learned.parameters },
      files: { ...draft.files, ...learned.files },
    },
    publishing,
  );
}

/** A version to come, as far as learning is concerned. */
interface Coming {
  readonly candidates: CandidateTable;
  readonly inputs: Manifest['inputs'];
  readonly options: { readonly neighbours: number };
  readonly calibration?: { readonly calibration: Calibration } | undefined;
}

/** A bank that was learned stays so: other candidates of the same embedder are learned anew. */
export const staysLearned = (service: Manifest | undefined, { inputs, candidates }: Coming): boolean =>
  service?.parameters.learned !== undefined &&
  service.inputs.embedder.cardSha256 === inputs.embedder.cardSha256 &&
  candidates.seeds.length >= FEWEST_CANDIDATES;

/** What the version to come says and keeps of its learning, from as many lessons in as many steps as the one in service. */
export async function learnedAgain(
  pool: InferencePool,
  service: Manifest | undefined,
  coming: Coming,
  signal: AbortSignal | undefined,
): Promise<LearnedParts | undefined> {
  if (!staysLearned(service, coming)) return undefined;
  const { candidates, inputs, options, calibration } = coming;
  const { lessons, mostSteps: steps } = service?.parameters.learned ?? {};
  return partsOf(pool, candidates, inputs, options.neighbours, calibration?.calibration, {
    ...{ lessons, steps, signal },
  });
}

interface LearnedParts {
  readonly parameters: Pick<Manifest['parameters'], 'learned'>;
  readonly files: Readonly<Record<string, Uint8Array>>;
}

async function partsOf(
  pool: InferencePool,
  { embeddings, dimension, seeds }: CandidateTable,
  { embedder }: Manifest['inputs'],
  neighbours: number,
  calibration: Calibration | undefined,
  options: LearnOptions,
): Promise<LearnedParts> {
  const candidates = UnitMatrix.adopt(embeddings, dimension, 'candidates');
  const { samePersonCeiling } = embedder;
  const source = { candidates, samePersonCeiling, neighbours, calibration };
  const { graph, card } = await learnFrom(pool, source, options);
  const learned = {
    ...{ estimator: 'learned/1', neighbours, candidates: seeds.length, ...card, hidden: [...card.hidden] },
    source: calibration?.mixture.length ? ('mixture' as const) : ('gaussian' as const),
  };
  return { parameters: { learned }, files: { [LEARNED_FILE]: graph } };
}

/** Learns what candidates answer. @throws FoilbankError FB_OPTION_INVALID, FB_CANCELLED, and what the pool throws */
export async function learnFrom(
  pool: InferencePool,
  source: LessonSource,
  { lessons: count = 72_000, steps = 3000, signal, onProgress }: LearnOptions,
): Promise<LearnedHead> {
  checkWhole('lessons', count, 500, 1_000_000);
  checkWhole('steps', steps, 1, 1_000_000);
  // Told before the first ones are done, so that whoever listens can tell the pace from the start.
  onProgress?.('asking', 0, count);
  const lessons = await lessonsOf(pool, source, {
    ...{ count, signal },
    onProgress: (done, total) => onProgress?.('asking', done, total),
  });
  onProgress?.('learning', 0, steps);
  let seed = 0;
  return learnEstimator(lessons, {
    ...{ pool, steps, signal },
    normals: (length) => latents([seed++], length),
    onProgress: (done, total, error) => onProgress?.('learning', done, total, error),
  });
}

/** The version as the draft of the next one: the same candidates, parameters, gates and files. */
async function unchanged({ candidates, manifest, localFile }: Bank): Promise<BankDraft> {
  const { inputs, counts, parameters, gateResults } = manifest;
  const files: Record<string, { readonly localFile: string }> = {};
  for (const { path } of manifest.files) {
    if (path.startsWith('candidates/')) continue;
    files[path] = { localFile: (await localFile(path)) as string };
  }
  return { candidates, inputs, counts, parameters, gateResults, files };
}
