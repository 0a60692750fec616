import { FARS, gainOf, type Interval, intervalOf, type SplitRow } from '../../src/evaluation/index.js';

const SHOWN = FARS.slice(0, 4);
const AT = [FARS.indexOf(1e-4), FARS.indexOf(1e-5)];
const WIDTH = 56;
/** Operators that want a K of some percent of the candidates. */
const STANDARDISING: readonly SplitRow['operator'][] = ['standardise', 'fuse'];

const nameOf = ({ operator, estimator, k }: SplitRow): string => {
  if (estimator === undefined) return 'raw';
  // A row with settings of its own says them.
  if (operator === 'chosen') return estimator;
  return `${operator}, ${estimator.split('/')[0]}${k === undefined ? '' : ` K ${k}`}`;
};
const ranged = (value: number, interval: Interval | undefined, digits: number, between: string): string =>
  `${value.toFixed(digits)}${interval ? ` [${interval.map((x) => x.toFixed(digits)).join(between)}]` : ''}`;
const percent = (interval: Interval | undefined): Interval | undefined =>
  interval && [100 * interval[0], 100 * interval[1]];
const isReal = ({ estimator }: SplitRow): boolean => estimator?.startsWith('cohort') ?? false;

/** The row of the best cohort at each of {@link AT}. */
const cohortsOf = (rows: readonly SplitRow[]): SplitRow[] =>
  AT.map((at) =>
    rows.filter(isReal).reduce((a, b) => (b.points[at]!.tar > a.points[at]!.tar ? b : a), rows.find(isReal)!),
  );

/** True accept rates of all rows, raw first, with g = (TAR − raw) / (best cohort − raw). */
export function printRates(title: string, rows: readonly SplitRow[], splits: number): void {
  const raw = rows[0]!;
  const best = cohortsOf(rows);
  console.log(
    `\n${title}: mean of ${splits} halvings by identity, TAR in % [95 %] at FAR 1e-2 to 1e-5, g at 1e-4 and 1e-5`,
  );
  for (const row of rows) {
    const tars = SHOWN.map((_, at) => {
      const { tar, interval } = row.points[at]!;
      return ranged(100 * tar, percent(interval), 1, '–').padEnd(18);
    });
    const gains = AT.map((at, i) => {
      const { g, interval } = gainOf(row, raw, best[i]!, at);
      return ranged(g, interval, 2, ', ').padEnd(20);
    });
    console.log(`  ${nameOf(row).padEnd(WIDTH)}${tars.join(' ')}${row === raw ? '' : gains.join(' ')}`);
  }
}

/** In points over raw, on the same resampled people: rows with settings of their own, and `standardise` and `fuse` at their large K. */
export function printGains(title: string, rows: readonly SplitRow[]): void {
  const raw = rows[0]!;
  console.log(
    `\n${title}: gain over raw in points [95 %] at FAR 1e-2 to 1e-5, and of 10-fold accuracy (lowest split)`,
  );
  for (const row of rows) {
    if (
      row.operator !== 'chosen' &&
      !(STANDARDISING.includes(row.operator) && !isReal(row) && isLargest(row, rows))
    )
      continue;
    const cells = SHOWN.map((_, at) => {
      const [before, after] = [raw.points[at]!, row.points[at]!];
      const interval = intervalOf(after.draws.map((tar, i) => tar - before.draws[i]!));
      return ranged(100 * (after.tar - before.tar), percent(interval), 2, ', ').padEnd(22);
    });
    const accuracy = row.accuracies.map((after, i) => 100 * (after - raw.accuracies[i]!));
    const mean = accuracy.reduce((a, b) => a + b) / accuracy.length;
    cells.push(`${mean.toFixed(2)} (${Math.min(...accuracy).toFixed(2)})`);
    console.log(`  ${nameOf(row).padEnd(WIDTH)}${cells.join('')}`);
  }
}

/** What the first of each pair of estimators is better by, in g at 1e-4 and 1e-5, both by `fuse` at the large K. */
export function printAblations(
  title: string,
  rows: readonly SplitRow[],
  pairs: readonly (readonly [string, string])[],
): void {
  const raw = rows[0]!;
  const best = cohortsOf(rows);
  const rowOf = (estimator: string) =>
    rows.find((row) => row.operator === 'fuse' && row.estimator === estimator && isLargest(row, rows));
  console.log(`\n${title}: what the faces add, in g [95 %] at FAR 1e-4 and 1e-5`);
  for (const [one, other] of pairs) {
    const [a, b] = [rowOf(one), rowOf(other)];
    if (!a || !b) continue;
    const cells = AT.map((at, i) => {
      const [x, y, zero, full] = [a, b, raw, best[i]!].map(({ points }) => points[at]!) as [
        ...[SplitRow['points'][0], SplitRow['points'][0], SplitRow['points'][0], SplitRow['points'][0]],
      ];
      const draws = x.draws.map((tar, j) => (tar - y.draws[j]!) / (full.draws[j]! - zero.draws[j]!));
      return ranged((x.tar - y.tar) / (full.tar - zero.tar), intervalOf(draws), 2, ', ').padEnd(22);
    });
    console.log(`  ${`${one} − ${other}`.padEnd(WIDTH)}${cells.join('')}`);
  }
}

/** Whether no row of its estimator has a larger K. */
const isLargest = (row: SplitRow, rows: readonly SplitRow[]): boolean =>
  rows.every(({ estimator, k }) => estimator !== row.estimator || (k ?? 0) <= (row.k ?? 0));
