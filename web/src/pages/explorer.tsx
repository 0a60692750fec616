import { useMemo, useState } from 'preact/hooks';
import type { Face } from '../../../src/gen/index.js';
import { support } from '../api.js';
import { count, similarity } from '../format.js';
import { FaceInput } from '../parts/face-input.js';
import { Histogram } from '../parts/histogram.js';
import { LookAlikes } from '../parts/look-alikes.js';
import { LookupControls } from '../parts/lookup-controls.js';
import { NoBank } from '../parts/no-bank.js';
import { OutsideNote } from '../parts/outside-note.js';
import { ProblemNote } from '../parts/problem-note.js';
import { useBank } from '../use-bank.js';
import { useTask } from '../use-task.js';

/** A photo's face among the bank's: its nearest virtual faces, r and sigma. */
export function Explorer() {
  const { bank, versions, choice, setChoice, facts, problem } = useBank();
  const [subject, setSubject] = useState<Face>();
  const embedding = subject?.embedding;
  const answer = useTask(
    embedding && bank?.version
      ? (signal) =>
          support.findNeighbors(
            { lookup: { bank: bank.name, ...choice }, embeddings: [embedding] },
            { signal },
          )
      : undefined,
    [embedding, bank?.name, bank?.version, choice],
  );
  const [set] = answer.value?.supportSets ?? [];
  const r = set?.discrepancy?.r;
  const marks = useMemo(() => (r === undefined ? [] : [{ name: 'this face', at: r }]), [r]);
  if (!bank?.version) return <NoBank bank={bank} />;
  return (
    <>
      <h1>Explorer</h1>
      <p class="lead">
        Who comes close to this face? The nearest of {count(bank.candidates)} people who do not exist.
      </p>
      <div class="split">
        <FaceInput label="A photo of one face" bank={bank.name} onFace={setSubject} />
        <section aria-label="How neighbours are looked up">
          <LookupControls {...{ bank, versions, choice, onChoice: setChoice }} />
          <ProblemNote problem={answer.problem ?? problem} again={answer.problem && answer.again} />
          {set?.discrepancy && (
            <dl class="figures" aria-live="polite">
              <dt>r, mean similarity to them</dt>
              <dd>{similarity(set.discrepancy.r)}</dd>
              <dt>σ, its deviation</dt>
              <dd>{similarity(set.discrepancy.sigma)}</dd>
              <dt>neighbours</dt>
              <dd>{count(set.discrepancy.n)}</dd>
              {set.discrepancy.excludedByCeiling > 0 && (
                <>
                  <dt>left out as the same person</dt>
                  <dd>{count(set.discrepancy.excludedByCeiling)}</dd>
                </>
              )}
            </dl>
          )}
          <p class="quiet" aria-live="polite">
            {answer.busy && 'Looking up…'}
          </p>
          <OutsideNote of={set?.discrepancy} />
          {facts?.r && choice.k === facts.k && (
            <Histogram title="r over the bank" of={facts.r} counted="candidates" marks={marks} />
          )}
        </section>
      </div>
      {set && (
        <section aria-busy={answer.busy}>
          <h2>Nearest virtual faces</h2>
          {set.neighbors.length === 0 && answer.value?.source?.estimator && (
            <p class="quiet">{answer.value.source.estimator} estimates r and σ without looking anybody up.</p>
          )}
          <LookAlikes
            bank={bank.name}
            version={answer.value?.source?.version ?? ''}
            of={set.neighbors}
            label="Nearest virtual faces, most similar first"
          />
        </section>
      )}
    </>
  );
}
