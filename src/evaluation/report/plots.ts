import type { Evaluation, Result } from '../collection.js';
import { type RocPoint, rocOf, type ScoreHistogram } from '../score-histogram.js';
import { COLOURS, plot, type Series } from './svg.js';

/** What a way of scoring is called in tables and legends. */
export function nameOf({ settings, estimator, k }: Pick<Result, 'settings' | 'estimator' | 'k'>): string {
  if (estimator === undefined) return 'raw';
  const lambda = settings.operator === 'shift' && settings.lambda !== 1 ? ` λ ${settings.lambda}` : '';
  return `${settings.operator}${lambda}, ${estimator.split('/')[0]} K ${k}`;
}

/** r of the photos of one group. */
export interface GroupValues {
  readonly group: string;
  readonly values: readonly number[];
}

/** Every plot of a report, by the name of its file. */
export function plotsOf(
  { results, threshold }: Evaluation,
  best: Result,
  r: readonly GroupValues[],
): Record<string, string> {
  const raw = results[0]!;
  const curves = shownOf(results).map((result) => ({
    name: nameOf(result),
    roc: rocOf(result.scored.histogram),
  }));
  const least = 1 / raw.scored.impostors;
  const low = 10 ** Math.floor(Math.log10(least));
  return {
    roc: plot({
      title: 'True accepts by false accepts (ROC)',
      x: { label: 'false accept rate', low, high: 1, log: true },
      y: { label: 'true accept rate', low: Math.max(0, lowestTar(curves[0]!.roc, least) - 0.05), high: 1 },
      series: curves.map(({ name, roc }, i) => ({
        ...{ name, colour: COLOURS[i % COLOURS.length]! },
        points: thinned(roc.filter(({ far }) => far > 0).map(({ far, tar }) => [far, tar] as const)),
      })),
    }),
    det: plot({
      title: 'False rejects by false accepts (DET)',
      x: { label: 'false accept rate', low, high: 1, log: true },
      y: { label: 'false reject rate', low: 1e-3, high: 1, log: true },
      series: curves.map(({ name, roc }, i) => ({
        ...{ name, colour: COLOURS[i % COLOURS.length]! },
        points: thinned(
          roc.filter(({ far }) => far > 0).map(({ far, tar }) => [far, Math.max(1 - tar, 1e-4)] as const),
        ),
      })),
    }),
    'scores-raw': histogramPlot('Raw similarity s', raw, threshold),
    'scores-aligned': histogramPlot(`Aligned similarity s*: ${nameOf(best)}`, best, threshold),
    'r-by-group': rPlot(r),
  };
}

/** At most as many lines as can be told apart: raw, and of every estimator and operator the best K at the strictest rate that counts. */
function shownOf(results: readonly Result[]): Result[] {
  const best = new Map<string, Result>();
  for (const result of results) {
    const key = `${result.settings.operator} ${result.estimator}`;
    const held = best.get(key);
    if (!held || strictest(result) > strictest(held)) best.set(key, result);
  }
  return [...best.values()].slice(0, COLOURS.length);
}

/** The true accept rate at the smallest false accept rate that ten impostor pairs or more decide, or at the largest there is. */
export function strictest({ points }: Pick<Result, 'points'>): number {
  return (points.filter(({ accepted }) => accepted >= 10).at(-1) ?? points[0])?.tar ?? 0;
}

function lowestTar(roc: readonly RocPoint[], far: number): number {
  return roc.find((point) => point.far >= far)?.tar ?? 0;
}

function histogramPlot(title: string, { scored, points }: Result, far: number): string {
  const { histogram } = scored;
  const [genuine, impostor] = [densityOf(histogram, 'genuine'), densityOf(histogram, 'impostor')];
  const all = [...genuine, ...impostor];
  const [low, high] = [Math.min(...all.map(([x]) => x)), Math.max(...all.map(([x]) => x))];
  const top = Math.max(...all.map(([, y]) => y));
  const at = points.find((point) => point.far === far);
  const series: Series[] = [
    { name: 'two people (impostor)', colour: COLOURS[2]!, points: impostor, filled: true },
    { name: 'one person (genuine)', colour: COLOURS[1]!, points: genuine, filled: true },
  ];
  return plot({
    title,
    x: { label: at ? `score; dotted: the threshold at FAR ${far.toExponential()}` : 'score', low, high },
    y: { label: 'density, highest = 1', low: 0, high: top * 1.05 },
    series,
    marks: at ? [{ at: at.threshold, colour: '#000' }] : [],
  });
}

/** 120 bars over the range of the scores, the highest scaled to 1. */
function densityOf(histogram: ScoreHistogram, kind: 'genuine' | 'impostor'): [number, number][] {
  const counts = histogram[kind];
  const begin = firstUsed(histogram);
  const end = lastUsed(histogram) + 1;
  const bars = 120;
  const step = Math.max(1, Math.ceil((end - begin) / bars));
  const heights: [number, number][] = [];
  for (let at = begin; at < end; at += step) {
    let sum = 0;
    for (let bin = at; bin < Math.min(at + step, end); bin++) sum += counts[bin]!;
    heights.push([(histogram.edge(at) + histogram.edge(Math.min(at + step, end))) / 2, sum]);
  }
  const most = Math.max(1, ...heights.map(([, height]) => height));
  return heights.map(([x, height]) => [x, height / most]);
}

/** The bins from the first to the last that still hold a ten-thousandth of either kind's scores outside: stragglers would squeeze the rest. */
const firstUsed = ({ genuine, impostor }: ScoreHistogram): number =>
  Math.min(...[genuine, impostor].map(tailOf));
const lastUsed = ({ genuine, impostor }: ScoreHistogram): number =>
  genuine.length - 1 - Math.min(...[genuine, impostor].map((counts) => tailOf(counts.toReversed())));

function tailOf(counts: Float64Array): number {
  const most = counts.reduce((sum, x) => sum + x, 0) / 10_000;
  let [bin, sum] = [0, counts[0]!];
  while (sum <= most && bin + 1 < counts.length) sum += counts[++bin]!;
  return bin;
}

/** One line a group: the share of its photos at each r. */
function rPlot(groups: readonly GroupValues[]): string {
  const every = groups.flatMap(({ values }) => values);
  const [low, high] = [Math.min(...every), Math.max(...every) + 1e-9];
  const bars = 40;
  const series = groups.slice(0, COLOURS.length).map(({ group, values }, i) => {
    const counts = new Array<number>(bars).fill(0);
    for (const r of values) counts[Math.floor(((r - low) / (high - low)) * bars)]!++;
    return {
      ...{
        name: `${group} (${values.length})`,
        colour: COLOURS[(i + 1) % COLOURS.length]!,
        filled: groups.length < 3,
      },
      points: counts.map(
        (count, b) => [low + ((b + 0.5) / bars) * (high - low), count / values.length] as const,
      ),
    };
  });
  return plot({
    title: 'How close other people come: r',
    x: { label: 'r', low, high },
    y: {
      label: 'share of the photos',
      low: 0,
      high: 1.05 * Math.max(...series.flatMap((s) => s.points.map(([, y]) => y))),
    },
    series,
  });
}

/** A point wherever the line moves by what can be seen. */
function thinned(points: readonly (readonly [number, number])[]): (readonly [number, number])[] {
  const kept: (readonly [number, number])[] = [];
  for (const [i, point] of points.entries()) {
    const last = kept.at(-1);
    if (
      !last ||
      i === points.length - 1 ||
      Math.abs(Math.log(point[0] / last[0])) > 0.02 ||
      Math.abs(point[1] - last[1]) > 0.002
    )
      kept.push(point);
  }
  return kept;
}
