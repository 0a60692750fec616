import { useCallback, useMemo } from 'preact/hooks';
import type { Evaluation } from '../../../src/gen/index.js';
import { gallery } from '../api.js';
import { age, count, date, percent, rate, score } from '../format.js';
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
              `: ${count(one.photos)} photos of ${count(one.people)} people${one.mixedQuality ? ', half of them made bad' : ''}`}
          </summary>
          {one.fault ? <p class="note">It cannot be read: {one.fault}.</p> : <Report of={one} />}
        </details>
      ))}
    </section>
  );
}

function Report({ of }: { of: Evaluation }) {
  const { scorings, halved, halvings, thresholdFar } = of;
  const [raw] = scorings;
  const fars = raw?.points.map(({ far }) => rate(far)) ?? [];
  const groups = raw?.groups ?? [];
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
      <Roc of={of} />
      <ScoringTable
        title="True accepts where so many pairs of two people may be accepted, with 95 % intervals"
        of={scorings}
        columns={[...fars, 'equal errors', ...(raw?.foldAccuracy === undefined ? [] : ['ten folds'])]}
        cell={({ points, equalErrorRate, foldAccuracy }, i) =>
          i < fars.length ? (
            <Rate of={points[i]?.tar} />
          ) : i === fars.length ? (
            <Rate of={equalErrorRate} />
          ) : (
            percent(foldAccuracy ?? Number.NaN)
          )
        }
      />
      {groups.length > 0 && (
        <ScoringTable
          title={`False matches inside each group, by 100,000 pairs, at one threshold for all (${rate(thresholdFar)} over the whole)`}
          of={scorings}
          columns={[...groups.map(({ group, photos }) => `${group} (${count(photos)})`), 'worst / best']}
          cell={({ groups: own, worstByBest }, i) =>
            score(
              i < groups.length ? 1e5 * (own[i]?.falseMatchRate ?? Number.NaN) : (worstByBest ?? Number.NaN),
            )
          }
        />
      )}
      {halved.length > 0 && (
        <ScoringTable
          title={`True accepts of people in no calibration: mean over ${count(halvings)} random halvings`}
          of={halved}
          columns={fars}
          cell={({ points }, i) => <Rate of={points[i]?.tar} />}
        />
      )}
      <details>
        <summary>Thresholds and identification</summary>
        <ScoringTable
          title="Thresholds on each score's own scale"
          of={scorings}
          columns={fars}
          cell={({ points }, i) => threshold(points[i]?.threshold)}
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

const ROC_HEIGHT = 280;

function Roc({ of }: { of: Evaluation }) {
  const curves = useMemo(() => curvesOf(of.scorings), [of]);
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

const threshold = (at: number | undefined): string => (at === undefined ? '–' : at.toFixed(3));
