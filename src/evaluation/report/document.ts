import { z } from 'zod';
import { operatorId } from '../../scoring/index.js';
import type { Evaluation, Result } from '../collection.js';
import type { Identities } from '../identities.js';
import { rocSteps } from '../score-histogram.js';
import type { SplitRow } from '../splits.js';

const count = z.int().min(0);
/** Null: too small a collection tells none. */
const figure = z.number().nullable();
const interval = z.tuple([z.number(), z.number()]).nullable();
const point = z.object({ far: z.number(), tar: figure, interval });
const way = z.object({
  operator: z.string(),
  lambda: figure,
  estimator: z.string().nullable(),
  k: count.nullable(),
});

/** `report.json`: every figure of an evaluation; no embedding, no photo. */
const schema = z.object({
  bank: z.string().nullable(),
  version: z.string().nullable(),
  photos: count,
  identities: count,
  pairs: z.object({ genuine: count, impostor: count }),
  mixedQuality: z.boolean(),
  seed: count,
  thresholdFar: z.number(),
  results: z
    .array(
      way.extend({
        /** By the bank's version: operator, K and lambda. */
        recommended: z.boolean(),
        points: z.array(point.extend({ accepted: count, threshold: figure })),
        /** [false accept rate, true accept rate], eight a decade. */
        roc: z.array(z.tuple([z.number(), z.number()])),
        equalError: z.object({ rate: figure, interval }),
        folds: z.object({ accuracy: z.number(), error: z.number() }).nullable(),
        identification: z.array(
          z.object({
            ...{ gallery: count, rank1: figure, fpir: figure, tpir: figure, tpirAtOnePercent: figure },
          }),
        ),
        groups: z
          .object({
            groups: z.array(
              z.object({
                ...{ group: z.string(), photos: count, impostors: count, genuine: count },
                ...{ fmr: figure, fnmr: figure },
              }),
            ),
            worstByBest: figure,
            deviation: figure,
          })
          .nullable(),
      }),
    )
    .min(1),
  halvings: count,
  splits: z
    .array(
      way.omit({ lambda: true }).extend({
        points: z.array(point.extend({ each: z.array(figure) })),
        /** 10-fold, of each halving; absent from reports of before it was told. */
        accuracies: z.array(figure).optional(),
      }),
    )
    .nullable(),
  warnings: z.array(z.string()),
});

export type EvaluationDocument = z.infer<typeof schema>;

/** @returns undefined for what is none */
export function parseEvaluation(document: unknown): EvaluationDocument | undefined {
  return schema.safeParse(document).data;
}

/** What is evaluated: a version of a bank, or a cohort alone. */
export interface EvaluationSubject {
  readonly bank: string | null;
  readonly version: string | null;
  /** Whether the version recommends this way of scoring. */
  recommends(result: Result): boolean;
  readonly mixedQuality: boolean;
  readonly seed: number;
}

/** Every figure, as JSON holds it. */
export function documentOf(
  { results, threshold }: Evaluation,
  { names, labels, genuine, impostor }: Identities,
  splits: readonly SplitRow[] | undefined,
  { recommends, ...subject }: EvaluationSubject,
  warnings: readonly string[],
): EvaluationDocument {
  return {
    ...{ ...subject, photos: labels.length, identities: names.length, pairs: { genuine, impostor } },
    thresholdFar: threshold,
    results: results.map((result) => {
      const { settings, estimator, k, points, equalError, folds, identification, groups, scored } = result;
      return {
        ...{ operator: operatorId(settings.operator), estimator: estimator ?? null, k: k ?? null },
        lambda: settings.operator === 'shift' ? settings.lambda : null,
        recommended: recommends(result),
        points: points.map(({ far, tar, interval: range, accepted, threshold: at }) => ({
          ...{ far, tar: finite(tar), interval: pair(range), accepted, threshold: finite(at) },
        })),
        roc: rocSteps(scored.histogram),
        equalError: { rate: finite(equalError.rate), interval: pair(equalError.interval) },
        folds: folds ?? null,
        identification: identification.map((one) => ({
          ...{ ...one, rank1: finite(one.rank1), fpir: finite(one.fpir), tpir: finite(one.tpir) },
          tpirAtOnePercent: finite(one.tpirAtOnePercent),
        })),
        groups: groups
          ? {
              groups: groups.groups.map((one) => ({ ...one, fmr: finite(one.fmr), fnmr: finite(one.fnmr) })),
              ...{ worstByBest: finite(groups.worstByBest), deviation: finite(groups.deviation) },
            }
          : null,
      };
    }),
    halvings: splits?.[0]?.points[0]?.each.length ?? 0,
    splits:
      splits?.map(({ operator, estimator, k, points, accuracies }) => ({
        ...{ operator, estimator: estimator ?? null, k: k ?? null },
        points: points.map(({ far, tar, interval: range, each }) => ({
          ...{ far, tar: finite(tar), interval: pair(range), each: each.map(finite) },
        })),
        accuracies: accuracies.map(finite),
      })) ?? null,
    warnings: [...warnings],
  };
}

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);
const pair = (range: readonly [number, number] | undefined): [number, number] | null =>
  range?.every(Number.isFinite) ? [range[0], range[1]] : null;
