import { create } from '@bufbuild/protobuf';
import { FoilbankError } from '../errors.js';
import {
  type AlignedScore,
  AlignedScoreSchema,
  type AlignScoresRequest,
  type AlignScoresResponse,
  AlignScoresResponseSchema,
  Coverage,
  Decision,
  type Discrepancy,
  type Embedding,
  ThresholdSchema,
} from '../gen/index.js';
import { alignScore, falseMatchRateOf, floored, operatorId } from '../scoring/index.js';
import type { Found, Lookups } from './lookup.js';
import { operatorSettingsOf, presetsFor, thresholdOf, typicalAt } from './thresholds.js';

/** Which rows of the embeddings are compared. */
interface Comparisons {
  readonly embeddings: readonly Embedding[];
  /** Rows of the left sides come first. */
  readonly lefts: number;
  readonly count: number;
  sides(i: number): readonly [left: number, right: number];
  raw(i: number): number | undefined;
}

type Asked = Pick<AlignScoresRequest, 'lookup' | 'comparisons' | 'operator' | 'lambda' | 'thresholdChoice'>;

/**
 * Aligns every comparison of a request.
 *
 * @throws FoilbankError as `Lookups.find`, FB_SUPPORT_EMPTY, FB_TYPICAL_UNKNOWN, FB_THRESHOLD_UNKNOWN, FB_REQUEST_INVALID, FB_LIMIT
 */
export async function alignAll(
  lookups: Lookups,
  request: Asked,
  signal: AbortSignal,
): Promise<AlignScoresResponse> {
  const comparisons = comparisonsOf(request.comparisons);
  lookups.checkResults(comparisons.count);
  return lookups.find(request.lookup, comparisons.embeddings, { signal }, (found) =>
    replyOf(request, comparisons, found),
  );
}

function replyOf(request: Asked, comparisons: Comparisons, found: Found): AlignScoresResponse {
  const { serving, source, discrepancies, matrix } = found;
  const { manifest } = serving.facts;
  const settings = operatorSettingsOf(manifest, request, source.k);
  const threshold = thresholdOf(manifest, request.thresholdChoice, settings, source.k);
  const measured = presetsFor(manifest, settings, source.k);
  const typical = typicalAt(manifest, source.k);
  const scores = Array.from({ length: comparisons.count }, (_, i): AlignedScore => {
    const [a, b] = comparisons.sides(i);
    const [left, right] = [discrepancies[a]!, discrepancies[b]!];
    const supplied = comparisons.raw(i);
    const raw = supplied ?? matrix.similarity(a, matrix, b);
    const { aligned } = alignScore(settings, raw, left, right, typical);
    // What was measured holds for the embedder's own similarities, where the bank has faces.
    const rated = supplied === undefined && covered(left) && covered(right);
    const falseMatchRate = rated ? falseMatchRateOf(measured, aligned) : undefined;
    return create(AlignedScoreSchema, {
      ...{ raw, aligned, ...decide(aligned, threshold?.value, left, right) },
      ...(left.n > 0 ? { zNorm: normalised(raw, left) } : {}),
      ...(right.n > 0 ? { tNorm: normalised(raw, right) } : {}),
      ...(falseMatchRate === undefined ? {} : { falseMatchRate }),
    });
  });
  return create(AlignScoresResponseSchema, {
    ...{ source, scores, operator: operatorId(settings.operator) },
    ...(settings.operator === 'shift' ? { lambda: settings.lambda } : {}),
    ...(settings.operator === 'fuse' ? { typical } : {}),
    ...(threshold ? { threshold: create(ThresholdSchema, threshold) } : {}),
    left: discrepancies.slice(0, comparisons.lefts),
    right: discrepancies.slice(comparisons.lefts),
  });
}

const normalised = (raw: number, { r, sigma }: Discrepancy): number => (raw - r) / floored(sigma);

const covered = ({ coverage }: Discrepancy): boolean => coverage !== Coverage.OUTSIDE;

function decide(aligned: number, threshold: number | undefined, left: Discrepancy, right: Discrepancy) {
  if (threshold === undefined)
    return { decision: Decision.UNSPECIFIED, reason: 'no threshold was given to read the score against' };
  const outside = [!covered(left), !covered(right)];
  if (outside.includes(true)) {
    const which = outside.every(Boolean)
      ? 'both embeddings lie'
      : `the ${outside[0] ? 'left' : 'right'} embedding lies`;
    return { decision: Decision.UNKNOWN, reason: `${which} outside of what the bank covers` };
  }
  return { decision: aligned >= threshold ? Decision.SAME : Decision.DIFFERENT, reason: '' };
}

function comparisonsOf(asked: AlignScoresRequest['comparisons']): Comparisons {
  if (asked.case === 'pairs') {
    const { pairs } = asked.value;
    return {
      // The validator saw to it that both sides are there.
      embeddings: [...pairs.map((p) => p.a!), ...pairs.map((p) => p.b!)],
      lefts: pairs.length,
      count: pairs.length,
      sides: (i) => [i, pairs.length + i],
      raw: (i) => pairs[i]!.raw,
    };
  }
  if (asked.case !== 'grid')
    throw new FoilbankError('FB_REQUEST_INVALID', { field: 'comparisons', reason: 'give pairs or a grid' });
  const { probes, gallery, raw } = asked.value;
  const count = probes.length * gallery.length;
  if (raw.length !== 0 && raw.length !== count)
    throw new FoilbankError('FB_REQUEST_INVALID', {
      field: 'grid.raw',
      reason: `it has ${raw.length} values, none or ${count} are expected`,
    });
  return {
    ...{ embeddings: [...probes, ...gallery], lefts: probes.length, count },
    sides: (i) => [Math.floor(i / gallery.length), probes.length + (i % gallery.length)],
    raw: (i) => raw[i],
  };
}
