import { readFile } from 'node:fs/promises';
import {
  type Bank,
  type BankStore,
  type CandidateTable,
  emptyTable,
  FIRST_DRAWN_SEED,
  facesOf,
  fileInService,
  type Manifest,
  sliceTable,
} from '../bank/index.js';
import {
  type Calibration,
  decodeCalibration,
  drawsOf,
  encodeCalibration,
  mapFaces,
} from '../discrepancy/index.js';
import { FoilbankError, throwIfCancelled } from '../errors.js';
import type { InferencePool } from '../onnx/index.js';
import { type OperatorSettings, operatorOfId } from '../scoring/index.js';
import { latents } from '../synthesis/index.js';
import { formatNpy, parseNpy, UnitMatrix } from '../vectors/index.js';
import { inService } from './build-inputs.js';
import { withoutNearDuplicates } from './near-duplicates.js';

/** A calibration and what goes with it. */
export interface CalibrationPlan {
  readonly calibration: Calibration;
  /** Draws of the mixture by faces, ≥ 0. */
  readonly drawsPerFace: number;
  /** K by candidates, in (0, 1]. */
  readonly neighboursShare: number;
}

/** A plan that a version in service has, and what it recommends with it. */
export interface StoredCalibration extends CalibrationPlan {
  readonly operator: OperatorSettings;
}

export interface CalibratedFaces {
  /** The faces in their order, moved, and after them the draws. */
  readonly candidates: CandidateTable;
  readonly neighbours: number;
  readonly calibration: Calibration;
  /** What the version says and keeps. */
  readonly counts: { readonly drawn?: number };
  readonly described: Omit<Exclude<Manifest['parameters']['calibration'], { kind: 'none' }>, 'thresholds'>;
  readonly files: Readonly<Record<string, Uint8Array>>;
}

const CALIBRATION = 'calibration.npy';
const UNCALIBRATED = 'uncalibrated.npy';
/** The same bounds as of a bank's own default. */
const [LEAST_K, MOST_K] = [16, 1024];

/**
 * Moves faces to where real ones lie and adds draws of the mixture. A draw within the ceiling of a candidate before it is passed
 * over for the next one; faces stay, as their pictures were told apart.
 *
 * @param faces as their pictures were embedded
 * @throws FoilbankError FB_CANCELLED, and what the networks throw
 */
export async function calibrateFaces(
  pool: InferencePool,
  faces: CandidateTable,
  plan: CalibrationPlan,
  { ceiling, signal }: { readonly ceiling: number; readonly signal?: AbortSignal | undefined },
): Promise<CalibratedFaces> {
  const { calibration, drawsPerFace, neighboursShare } = plan;
  const { dimension } = faces;
  const m = faces.seeds.length;
  const moved = await mapFaces(calibration, UnitMatrix.adopt(faces.embeddings, dimension, 'candidates'));
  throwIfCancelled(signal, 'calibration');
  const wanted = calibration.mixture.length === 0 ? 0 : Math.round(drawsPerFace * m);
  const { numbers, draws } = await distinctDraws(pool, calibration, moved, wanted, ceiling, signal);
  const candidates = emptyTable(m + numbers.length, dimension);
  candidates.seeds.set(faces.seeds);
  candidates.psi.set(faces.psi);
  candidates.scores.set(faces.scores);
  candidates.embeddings.set(moved.data);
  candidates.seeds.set(
    numbers.map((number) => FIRST_DRAWN_SEED + number),
    m,
  );
  candidates.embeddings.set(draws.data, moved.data.length);
  const rows = candidates.seeds.length;
  const { moments, mixture, shrinkage, reason } = calibration;
  return {
    candidates,
    neighbours: Math.min(rows, Math.max(LEAST_K, Math.min(MOST_K, Math.round(neighboursShare * rows)))),
    calibration,
    counts: numbers.length > 0 ? { drawn: numbers.length } : {},
    described: {
      kind: mixture.length > 0 ? 'mixture' : 'moments',
      samples: moments.n,
      ...{ components: mixture.length, shrinkage, neighboursShare, reason },
    },
    files: {
      [CALIBRATION]: encodeCalibration(calibration),
      [UNCALIBRATED]: formatNpy({ shape: [m, dimension], data: Float32Array.from(faces.embeddings) }),
    },
  };
}

async function distinctDraws(
  pool: InferencePool,
  calibration: Calibration,
  faces: UnitMatrix,
  wanted: number,
  ceiling: number,
  signal?: AbortSignal,
): Promise<{ numbers: number[]; draws: UnitMatrix }> {
  const { dimension } = faces;
  let numbers: number[] = [];
  let draws = UnitMatrix.concat([], dimension);
  let next = 0;
  // A mixture so narrow that all draws are alike ends with fewer.
  while (numbers.length < wanted && next < 4 * wanted) {
    const tried = Array.from({ length: wanted - numbers.length }, (_, i) => next + i);
    next += tried.length;
    const normals = latents(
      tried.map((number) => FIRST_DRAWN_SEED + number),
      dimension,
    );
    const more = UnitMatrix.concat([draws, drawsOf(calibration, tried, normals)], dimension);
    const all = UnitMatrix.concat([faces, more], dimension);
    const kept = await withoutNearDuplicates(pool, all.data, dimension, ceiling, signal);
    const rows = [...kept].filter((row) => row >= faces.rows).map((row) => row - faces.rows);
    const named = [...numbers, ...tried];
    numbers = rows.map((row) => named[row] as number);
    draws = more.gather(rows);
  }
  return { numbers, draws };
}

/** The calibration of the version in service, where it has one for this embedder. @throws FoilbankError as `inService` */
export async function storedCalibration(
  store: BankStore,
  name: string,
  embedder: Pick<Manifest['inputs']['embedder'], 'cardSha256'>,
  force?: boolean,
): Promise<StoredCalibration | undefined> {
  const manifest = await inService(store, name, force);
  if (!manifest) return undefined;
  const { inputs, parameters, counts } = manifest;
  const { calibration: described } = parameters;
  if (described.kind === 'none' || inputs.embedder.cardSha256 !== embedder.cardSha256) return undefined;
  // Only this file: a version whose candidates are damaged is mended by the next one, which stays calibrated.
  const bytes = await bytesOf(name, CALIBRATION, await fileInService(store, name, CALIBRATION));
  const { dimension } = inputs.embedder;
  return {
    calibration: decodeCalibration(bytes, dimension, described.reason, `${name}/${CALIBRATION}`),
    drawsPerFace: (counts.drawn ?? 0) / facesOf(counts),
    neighboursShare: described.neighboursShare,
    operator: { operator: operatorOfId(parameters.operator), lambda: parameters.lambda },
  };
}

/** What an opened version was calibrated to, if it was. @throws FoilbankError FB_BANK_CORRUPT, FB_NPY_INVALID */
export async function calibrationOf(bank: Bank): Promise<Calibration | undefined> {
  const { calibration } = bank.manifest.parameters;
  if (calibration.kind === 'none') return undefined;
  const bytes = await bytesOf(bank.name, CALIBRATION, await bank.localFile(CALIBRATION));
  return decodeCalibration(
    bytes,
    bank.candidates.dimension,
    calibration.reason,
    `${bank.name}/${CALIBRATION}`,
  );
}

/** A version's faces as their pictures were embedded. @throws FoilbankError FB_BANK_CORRUPT, FB_NPY_INVALID */
export async function uncalibratedFaces(bank: Bank): Promise<CandidateTable> {
  const { counts, parameters } = bank.manifest;
  const faces = sliceTable(bank.candidates, 0, facesOf(counts));
  if (parameters.calibration.kind === 'none') return faces;
  const { data } = parseNpy(
    await bytesOf(bank.name, UNCALIBRATED, await bank.localFile(UNCALIBRATED)),
    `${bank.name}/${UNCALIBRATED}`,
  );
  const embeddings = UnitMatrix.adopt(Float32Array.from(data), faces.dimension, UNCALIBRATED).data;
  if (embeddings.length !== faces.embeddings.length)
    throw new FoilbankError('FB_BANK_CORRUPT', {
      ...{ file: `${bank.name}/${UNCALIBRATED}`, reason: 'it has not one row a face' },
    });
  return { ...faces, embeddings };
}

async function bytesOf(bank: string, path: string, file: string | undefined): Promise<Uint8Array> {
  if (file === undefined)
    throw new FoilbankError('FB_BANK_CORRUPT', {
      ...{ file: `${bank}/${path}`, reason: 'a calibrated bank must have it' },
    });
  return readFile(file);
}
