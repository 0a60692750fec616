import { useCallback, useMemo } from 'preact/hooks';
import type { Evaluation, Scoring } from '../../../src/gen/index.js';
import { gallery } from '../api.js';
import { age, count, date, percent, rate } from '../format.js';
import { curvesOf, nameOf } from '../scorings.js';
import { useTask } from '../use-task.js';
import { Plot } from './plot.js';
import { ProblemNote } from './problem-note.js';
import { Rate, ScoringTable } from './scoring-table.js';

/** How right a version's scores were on labelled photos: what `foilbank evaluate --attach` kept beside it. */
export function Evaluations({ bank, version }: { bank: string; version: string }) {
  const kept = useTask(
    version ? (signal) => gallery.listEvaluations({ bank, version }, { signal }) : undefined,
    [bank, version],
  );
  const all = kept.value?.version === version ? kept.value.evaluations : undefined;
  return (
    <section aria-busy={kept.busy}>
      <h3>Evaluations</h3>
      <ProblemNote problem={kept.problem} again={kept.again} />
      {all?.length === 0 && (
        <p class="quiet">
          None yet: <code>foilbank evaluate photos/ --bank {bank} --attach</code> measures how right this
          version is on labelled photos and shows it here.
        </p>
      )}
      {all?.map((one, i) => (
        <details
          key={`${one.evaluatedAt?.seconds}.${one.evaluatedAt?.nanos}`}
          class="evaluation"
          open={i === 0}
        >
          <summary>
            {date(one.evaluatedAt)} ({age(one.evaluatedAt)})
            {!one.fault &&
              `: ${count(one.photos)} photos of ${count(one.people)} people${one.mixedQuality ? ', half of the photos made bad' : ''}`}
          </summary>
          {one.fault ? <p class="note">It cannot be read: {one.fault}.</p> : <Report of={one} />}
        </details>
      ))}
    </section>
  );
}

function Report({ of }: { of: Evaluation }) {
  const { scorings, halved, halvings, thresholdFar } = of;
  const shown = useMemo(() => curvesOf(scorings), [scorings]);
  const [raw] = scorings;
  const fars = raw?.points.map(({ far }) => rate(far)) ?? [];
  const galleries = raw?.identification ?? [];
  return (
    <>
      <p class="quiet">
        {count(of.genuinePairs)} pairs of one person, {count(of.impostorPairs)} pairs of two.
      </p>
      {of.warnings.map((text) => (
        <p class="note" key={text}>
          {text}
        </p>
      ))}
      <Roc of={shown} />
      <Accepts of={shown} fars={fars} />
      {shown.some(({ estimator }) => estimator.startsWith('cohort/')) && (
        <p class="quiet">
          Real strangers are the other people of the same photos: a reference that no service has.
        </p>
      )}
      <Groups of={shown} far={thresholdFar} />
      {halved.length > 0 && (
        <ScoringTable
          title={`True accepts of people in no calibration: mean over ${count(halvings)} random halvings`}
          of={halved}
          columns={fars}
          cell={({ points }, i) => <Rate of={points[i]?.tar} />}
        />
      )}
      <details>
        <summary>Every way of scoring, thresholds, identification</summary>
        {scorings.length > shown.length && (
          <>
            <Accepts of={scorings} fars={fars} />
            <Groups of={scorings} far={thresholdFar} />
          </>
        )}
        <ScoringTable
          title="Thresholds on each score's own scale"
          of={scorings}
          columns={fars}
          cell={({ points }, i) => points[i]?.threshold?.toFixed(3) ?? '–'}
        />
        {galleries.length > 0 && (
          <ScoringTable
            title={`Searches by gallery size: found first · strangers let in · people found, at the threshold of ${rate(thresholdFar)}`}
            of={scorings}
            columns={galleries.map(({ gallery: size }) => count(size))}
            cell={({ identification }, i) => {
              const { rank1, fpir, tpir } = identification[i] ?? {};
              return [rank1, fpir, tpir].map((share) => percent(share ?? Number.NaN)).join(' · ');
            }}
          />
        )}
      </details>
    </>
  );
}

function Accepts({ of, fars }: { of: readonly Scoring[]; fars: readonly string[] }) {
  const folds = of[0]?.foldAccuracy !== undefined;
  return (
    <ScoringTable
      title="True accepts where so many pairs of two people may be accepted, with 95 % intervals"
      of={of}
      columns={[...fars, 'equal errors', ...(folds ? ['ten folds'] : [])]}
      cell={({ points, equalErrorRate, foldAccuracy }, i) =>
        i <= fars.length ? (
          <Rate of={i < fars.length ? points[i]?.tar : equalErrorRate} />
        ) : (
          percent(foldAccuracy ?? Number.NaN)
        )
      }
    />
  );
}

function Groups({ of, far }: { of: readonly Scoring[]; far: number }) {
  const groups = of[0]?.groups ?? [];
  if (groups.length === 0) return null;
  return (
    <ScoringTable
      title={`False matches inside each group, by 100,000 pairs, at one threshold for all (${rate(far)} over the whole)`}
      of={of}
      columns={[...groups.map(({ group, photos }) => `${group} (${count(photos)})`), 'worst / best']}
      cell={({ groups: own, worstByBest = Number.NaN }, i) => {
        const { falseMatchRate = Number.NaN } = own[i] ?? {};
        return oneDigit(i < groups.length ? 1e5 * falseMatchRate : worstByBest);
      }}
    />
  );
}

const oneDigit = (x: number): string => (Number.isFinite(x) ? x.toFixed(1) : '–');

const ROC_HEIGHT = 280;

function Roc({ of: curves }: { of: readonly Scoring[] }) {
  const load = useCallback(async () => {
    const { plotRoc } = await import('./plot-roc.js');
    return (element: HTMLElement) => plotRoc(element, curves, ROC_HEIGHT);
  }, [curves]);
  if (!curves[0]?.roc.length) return null;
  return (
    <figure>
      <ul class="legend">
        {curves.map((scoring, i) => (
          <li key={nameOf(scoring)}>
            <span class={`key curve-${i}`} /> {nameOf(scoring)}
            {scoring.recommended && ' (recommended)'}
          </li>
        ))}
      </ul>
      <Plot load={load} height={ROC_HEIGHT} />
    </figure>
  );
}
