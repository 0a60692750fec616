import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type BankStore, type KeptEvaluation, keptEvaluations } from '../bank/index.js';
import { type EvaluationDocument, parseEvaluation } from '../evaluation/index.js';
import { type Evaluation, EvaluationSchema, type FigureSchema, type ScoringSchema } from '../gen/index.js';

const SHOWN = 20;

type Result = EvaluationDocument['results'][number];
type Way = Pick<Result, 'operator' | 'estimator' | 'k'> & { readonly lambda?: number | null };

/** What was kept of a version, newest first. @throws FoilbankError as `keptEvaluations` */
export async function evaluationsOf(store: BankStore, bank: string, version: string): Promise<Evaluation[]> {
  return (await keptEvaluations(store, bank, version, SHOWN)).map(evaluationOf);
}

function evaluationOf({ at, document, fault }: KeptEvaluation): Evaluation {
  const evaluatedAt = timestampFromDate(at);
  const told = document === undefined ? undefined : parseEvaluation(document);
  if (!told)
    return create(EvaluationSchema, {
      ...{ evaluatedAt, fault: fault ?? 'it is of another version of Foilbank' },
    });
  const { photos, identities: people, pairs, mixedQuality, thresholdFar, halvings, warnings } = told;
  return create(EvaluationSchema, {
    ...{ evaluatedAt, photos, people, mixedQuality, thresholdFar, halvings, warnings },
    ...{ genuinePairs: BigInt(pairs.genuine), impostorPairs: BigInt(pairs.impostor) },
    scorings: told.results.map(scoringOf),
    halved: (told.splits ?? []).map(({ points, ...way }) => ({
      ...wayOf(way),
      points: points.map(({ far, tar, interval }) => ({ far, tar: figureOf(tar, interval) })),
    })),
  });
}

function scoringOf(result: Result): MessageInitShape<typeof ScoringSchema> {
  const { recommended, points, roc, equalError, folds, identification, groups } = result;
  return {
    ...{ ...wayOf(result), recommended },
    points: points.map(({ far, tar, interval, threshold, accepted }) => ({
      ...{ far, tar: figureOf(tar, interval), accepted: BigInt(accepted) },
      ...given({ threshold }),
    })),
    roc: roc.map(([far, tar]) => ({ far, tar })),
    equalErrorRate: figureOf(equalError.rate, equalError.interval),
    ...(folds ? { foldAccuracy: folds.accuracy, foldError: folds.error } : {}),
    identification: identification.map(({ gallery, ...rates }) => ({ gallery, ...given(rates) })),
    groups: (groups?.groups ?? []).map(({ group, photos, fmr, fnmr }) => ({
      ...{ group, photos },
      ...given({ falseMatchRate: fmr, falseNonMatchRate: fnmr }),
    })),
    ...given({ worstByBest: groups?.worstByBest ?? null }),
  };
}

const wayOf = ({ operator, lambda, estimator, k }: Way) => ({
  ...{ operator, lambda: lambda ?? 0, estimator: estimator ?? '', k: k ?? 0 },
});

const figureOf = (
  value: number | null,
  interval: readonly [number, number] | null,
): MessageInitShape<typeof FigureSchema> =>
  given({ value, from: interval?.[0] ?? null, to: interval?.[1] ?? null });

/** Without what nothing is known of. */
function given<T extends Readonly<Record<string, number | null>>>(figures: T): { [K in keyof T]?: number } {
  const known = Object.entries(figures).filter(([, figure]) => figure !== null);
  return Object.fromEntries(known) as { [K in keyof T]?: number };
}
