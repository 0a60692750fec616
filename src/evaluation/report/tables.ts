import type { Evaluation, Result } from '../collection.js';
import type { SplitRow } from '../splits.js';
import { nameOf } from './plots.js';

const percent = (value: number, digits = 1): string =>
  Number.isNaN(value) ? '–' : (100 * value).toFixed(digits);

/** Rows of text, the first column names. */
export interface TextTable {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

type Points = readonly {
  readonly far: number;
  readonly tar: number;
  readonly interval: readonly [number, number] | undefined;
}[];

const ranged = (rate: number, interval: Points[number]['interval'], digits = 1): string =>
  percent(rate, digits) +
  (interval ? ` [${percent(interval[0], digits)}–${percent(interval[1], digits)}]` : '');

const withInterval = ({ tar, interval }: Points[number]): string => ranged(tar, interval);

const rateHead = (points: Points): string[] => points.map(({ far }) => `FAR ${far.toExponential()}`);

/** Every figure of an evaluation, in words and percent. */
export function tablesOf({ results, threshold }: Evaluation): TextTable[] {
  const [raw] = results;
  const tables: TextTable[] = [
    {
      title:
        'True accept rate in % at false accept rates, with 95 % intervals; equal error rate; accuracy on the pairs',
      head: ['score', ...rateHead(raw!.points), 'EER', ...(raw!.folds ? ['10-fold'] : [])],
      rows: results.map((result) => [
        nameOf(result),
        ...result.points.map(withInterval),
        ranged(result.equalError.rate, result.equalError.interval, 2),
        ...(result.folds ? [`${percent(result.folds.accuracy, 2)} ± ${percent(result.folds.error, 2)}`] : []),
      ]),
    },
    identificationTable(results, threshold),
  ];
  if (raw!.groups) tables.push(groupTable(results, threshold));
  return tables;
}

function identificationTable(results: readonly Result[], threshold: number): TextTable {
  return {
    title: `Identification in % by gallery size: rank 1 · FPIR · TPIR at the threshold of FAR ${threshold.toExponential()} · TPIR at FPIR 1 %`,
    head: ['score', ...results[0]!.identification.map(({ gallery }) => String(gallery))],
    rows: results.map((result) => [
      nameOf(result),
      ...result.identification.map(({ rank1, fpir, tpir, tpirAtOnePercent }) =>
        [rank1, fpir, tpir, tpirAtOnePercent].map((x) => percent(x)).join(' · '),
      ),
    ]),
  };
}

function groupTable(results: readonly Result[], threshold: number): TextTable {
  const groups = results[0]!.groups!.groups;
  return {
    title: `False matches inside each group, by 100,000 pairs, at one threshold for all (FAR ${threshold.toExponential()} over the whole)`,
    head: [
      'score',
      ...groups.map(({ group, photos }) => `${group} (${photos})`),
      'worst / best',
      'spread log₁₀',
    ],
    rows: results.map((result) => [
      nameOf(result),
      ...result.groups!.groups.map(({ fmr }) => (Number.isNaN(fmr) ? '–' : (1e5 * fmr).toFixed(1))),
      result.groups!.worstByBest.toFixed(1),
      result.groups!.deviation.toFixed(2),
    ]),
  };
}

/** The means over splits. */
export function splitTable(rows: readonly SplitRow[], splits: number): TextTable {
  return {
    title: `People never used for calibration: mean over ${splits} random halvings, true accept rate in % with 95 % intervals; 10-fold accuracy`,
    head: ['score', ...rateHead(rows[0]!.points), '10-fold'],
    rows: rows.map((row) => [
      row.estimator === undefined ? 'raw' : `${row.operator}, ${row.estimator.split('/')[0]} K ${row.k}`,
      ...row.points.map(withInterval),
      percent(mean(row.accuracies), 2),
    ]),
  };
}

const mean = (values: readonly number[]): number => values.reduce((sum, one) => sum + one, 0) / values.length;
