import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import type { Manifest } from '../bank/index.js';
import type { DiscrepancyEstimate } from '../discrepancy/index.js';
import {
  documentOf,
  type Evaluation,
  type EvaluationDocument,
  flipsBetween,
  type GroupValues,
  htmlReport,
  type Identities,
  nameOf,
  plotsOf,
  type Result,
  type SplitRow,
  splitTable,
  strictest,
  tablesOf,
} from '../evaluation/index.js';
import { writeWhole } from '../files.js';
import type { Collection, InputOptions } from './evaluate-inputs.js';
import { isRecommended } from './evaluate-recommended.js';

export interface Evaluated {
  readonly evaluation: Evaluation;
  readonly splits: readonly SplitRow[] | undefined;
  readonly identities: Identities;
  readonly estimates: readonly DiscrepancyEstimate[];
  readonly collection: Collection;
  readonly warnings: readonly string[];
  /** The version that was evaluated. */
  readonly bank: Manifest | undefined;
  readonly options: InputOptions & { readonly splits: number };
}

/** What a machine reads: every figure, no embedding. */
export function evaluationJson({
  evaluation,
  splits,
  identities,
  bank,
  warnings,
  options,
}: Evaluated): EvaluationDocument {
  return documentOf(
    evaluation,
    identities,
    splits,
    {
      ...{ bank: bank?.bank ?? null, version: bank?.version ?? null, seed: options.seed },
      mixedQuality: options.mixed ?? false,
      recommends: (result) => bank !== undefined && isRecommended(bank, result),
    },
    warnings,
  );
}

/** report.html, report.json and each plot as SVG's picture, PNG. @throws FoilbankError FB_FILE_UNWRITABLE */
export async function writeReport(out: string, evaluated: Evaluated): Promise<void> {
  const { evaluation, splits, identities, estimates, collection, warnings, bank, options } = evaluated;
  const [raw, ...others] = evaluation.results;
  const best = others.reduce((a, b) => (strictest(b) > strictest(a) ? b : a), others[0] ?? raw!);
  const threshold = (result: Result) =>
    result.points.find(({ far }) => far === evaluation.threshold)?.threshold;
  const thresholds = { raw: threshold(raw!) ?? 0, aligned: threshold(best) ?? 0 };
  const flips = flipsBetween(raw!.scored, best.scored, thresholds);
  const plots = plotsOf(evaluation, best, rOf(evaluated, best));
  const shown = new Set(
    Object.values(flips).flatMap((some) =>
      some.slice(0, 12).flatMap(({ left, right }: { left: number; right: number }) => [left, right]),
    ),
  );
  const pictures = await picturesOf(collection.files, shown);
  const recommended = bank && evaluation.results.find((result) => isRecommended(bank, result));
  const html = htmlReport({
    title: 'How right the scores are',
    facts: [
      `${identities.labels.length} photos of ${identities.names.length} people: ${identities.genuine} genuine and ${identities.impostor} impostor pairs${options.mixed ? ', at mixed quality (the pictures below are the photos as they were)' : ''}.`,
      `Support sets from ${[...new Set(estimates.map(({ estimator }) => estimator))].join(' and ') || 'nothing'}${bank ? `; bank ${bank.bank} version ${bank.version}` : ''}.`,
      ...(recommended ? [`The version recommends ${nameOf(recommended)}.`] : []),
    ],
    warnings,
    tables: [...tablesOf(evaluation), ...(splits ? [splitTable(splits, options.splits)] : [])],
    plots,
    flips,
    between: `raw → ${nameOf(best)}, both at FAR ${evaluation.threshold.toExponential()}`,
    name: (photo) => collection.names[photo] ?? String(photo),
    picture: (photo) => pictures.get(photo),
  });
  await mkdir(out, { recursive: true }).catch(() => {});
  await writeWhole(join(out, 'report.html'), html);
  await writeWhole(join(out, 'report.json'), `${JSON.stringify(evaluationJson(evaluated), null, 1)}\n`);
  for (const [name, svg] of Object.entries(plots))
    await writeWhole(
      join(out, `${name}.png`),
      await sharp(Buffer.from(svg), { density: 144 }).png().toBuffer(),
    );
}

/** r by group, of the best way's estimate. */
function rOf({ estimates, collection }: Evaluated, best: Result): GroupValues[] {
  const stats = estimates.find(({ estimator, k }) => estimator === best.estimator && k === best.k);
  if (!stats) return [{ group: 'no estimator', values: [0] }];
  const { groups } = collection;
  const by = new Map<string, number[]>();
  stats.r.forEach((r, i) => {
    const group = groups ? groups[i] : 'all photos';
    if (group === undefined) return;
    const values = by.get(group) ?? [];
    values.push(r);
    by.set(group, values);
  });
  return [...by].sort(([a], [b]) => (a < b ? -1 : 1)).map(([group, values]) => ({ group, values }));
}

/** Small pictures as data URLs: they are in the user's own report and nowhere else. */
async function picturesOf(
  files: readonly string[] | undefined,
  photos: ReadonlySet<number>,
): Promise<Map<number, string>> {
  const pictures = new Map<number, string>();
  if (!files) return pictures;
  for (const photo of photos) {
    const small = await sharp(files[photo]!)
      .autoOrient()
      .resize(96, 96, { fit: 'cover' })
      .webp({ quality: 70 })
      .toBuffer();
    pictures.set(photo, `data:image/webp;base64,${small.toString('base64')}`);
  }
  return pictures;
}
