import { gallery } from '../api.js';
import { count } from '../format.js';
import { useTask } from '../use-task.js';
import { Histogram } from './histogram.js';
import { ProblemNote } from './problem-note.js';

/** In milliseconds: a very large version on a busy machine. */
const PATIENCE = 60_000;

/** How a version's candidates are spread. Asked for by itself: a large version's first time takes seconds. */
export function Spread({ bank, version, candidates }: { bank: string; version: string; candidates: number }) {
  const asked = useTask(
    version ? (signal) => gallery.getVersion({ bank, version }, { signal, timeoutMs: PATIENCE }) : undefined,
    [bank, version],
  );
  const told = asked.value?.version?.version === version ? asked.value : undefined;
  const sampled = told?.r?.counts.reduce((a, b) => a + b, 0) ?? 0;
  return (
    <section aria-busy={asked.busy}>
      <h3>How candidates are spread</h3>
      <ProblemNote problem={asked.problem} again={asked.again} />
      {told?.version?.fault && <p class="note">They cannot be read: {told.version.fault}</p>}
      <p class="quiet" aria-live="polite">
        {told?.r
          ? candidates > sampled && `Measured on ${count(sampled)} candidates, evenly chosen from all.`
          : asked.busy && 'Reading every candidate; a large version takes a moment the first time…'}
      </p>
      {!told?.version?.fault && !asked.problem && (
        <div class="split">
          {told?.r ? (
            <Histogram title={`r at K ${count(told.k)}`} of={told.r} counted="candidates" />
          ) : (
            <Waiting />
          )}
          {told?.similarity ? (
            <Histogram title="Similarity of pairs" of={told.similarity} counted="pairs" />
          ) : (
            <Waiting />
          )}
        </div>
      )}
    </section>
  );
}

/** As high as what will take its place, so that nothing below moves. */
const Waiting = () => <div class="waiting loading" aria-hidden="true" />;
