import { useMemo, useState } from 'preact/hooks';
import { Decision, type Embedding, type Face } from '../../../src/gen/index.js';
import { support } from '../api.js';
import { type Curve, curveOf, explain, neededRaw } from '../explain.js';
import { rate, score, similarity } from '../format.js';
import { FaceInput } from '../parts/face-input.js';
import { LookAlikes } from '../parts/look-alikes.js';
import { LookupControls } from '../parts/lookup-controls.js';
import { NoBank } from '../parts/no-bank.js';
import { OutsideNote } from '../parts/outside-note.js';
import { ProblemNote } from '../parts/problem-note.js';
import { ScoreScale } from '../parts/score-scale.js';
import { type Threshold, ThresholdChoice } from '../parts/threshold-choice.js';
import { useBank } from '../use-bank.js';
import { useTask } from '../use-task.js';

/** Look-alikes shown of each side, and looked up: on a calibrated bank a third of them are drawn, or half. */
const SHOWN = 24;
const LOOKED_UP = 96;

const VERDICT: Readonly<Record<Decision, string>> = {
  [Decision.UNSPECIFIED]: 'No threshold, no verdict',
  [Decision.SAME]: 'The same person',
  [Decision.DIFFERENT]: 'Different people',
  [Decision.UNKNOWN]: 'Cannot be told',
};

/** Two photos: their similarity, corrected by both faces' look-alikes, and why. */
export function Compare() {
  const { bank, versions, choice, setChoice, facts, problem } = useBank();
  const [a, setA] = useState<Face>();
  const [b, setB] = useState<Face>();
  const [threshold, setThreshold] = useState<Threshold>();
  const lookup = { bank: bank?.name ?? '', ...choice };
  const pair = a?.embedding && b?.embedding && bank?.version ? { a: a.embedding, b: b.embedding } : undefined;
  const inputs = [a, b, bank?.name, bank?.version, choice];
  const scored = useTask(
    pair &&
      ((signal) =>
        support.alignScores(
          { lookup, comparisons: { case: 'pairs', value: { pairs: [pair] } }, ...asked(threshold) },
          { signal },
        )),
    [...inputs, threshold],
  );
  const near = useTask(
    pair &&
      ((signal) =>
        support.findNeighbors(
          {
            // What was learned knows no neighbours.
            lookup: { ...lookup, k: Math.min(LOOKED_UP, choice.k), estimator: 'virtual' },
            embeddings: [pair.a, pair.b] as Embedding[],
          },
          { signal },
        )),
    inputs,
  );
  const result = useMemo(() => {
    if (!scored.value) return undefined;
    const [[first], [left], [right]] = [scored.value.scores, scored.value.left, scored.value.right];
    const curve = curveOf(scored.value);
    return first && left && right && curve ? { first, left, right, curve } : undefined;
  }, [scored.value]);
  if (!bank?.version) return <NoBank bank={bank} />;
  const recommended = choice.k === bank.k && !choice.version && choice.estimator === 'virtual';
  const ticks = (recommended ? bank.presets : []).map(({ name, threshold: value, falseMatchRate }, i) => ({
    ...{ key: String.fromCharCode(97 + i), name: rate(falseMatchRate), chosen: threshold?.preset === name },
    at: result ? neededRaw(result.curve, value) : Number.NaN,
  }));
  if (result && threshold?.value !== undefined)
    ticks.push({
      key: 't',
      name: `threshold ${score(threshold.value)}`,
      at: neededRaw(result.curve, threshold.value),
      chosen: true,
    });
  return (
    <>
      <h1>Compare</h1>
      <p class="lead">
        One person or two? A similarity, corrected by how close each face is to other people.
      </p>
      {bank.warnings.map((text) => (
        <p class="note" key={text}>
          {text}
        </p>
      ))}
      <div class="split">
        <FaceInput label="Photo A" bank={bank.name} onFace={setA} />
        <FaceInput label="Photo B" bank={bank.name} onFace={setB} />
      </div>
      <details class="settings">
        <summary>Settings: K, estimator, version</summary>
        <LookupControls {...{ bank, versions, choice, onChoice: setChoice }} />
      </details>
      <ThresholdChoice
        presets={recommended ? bank.presets : []}
        calibrated={bank.presets.length > 0}
        choice={threshold}
        onChoice={setThreshold}
      />
      <ProblemNote
        problem={scored.problem ?? near.problem ?? problem}
        again={scored.problem && scored.again}
      />
      {result && (
        <section
          aria-live="polite"
          aria-busy={scored.busy}
          class={`result decision-${result.first.decision}`}
        >
          <h2>{VERDICT[result.first.decision]}</h2>
          {result.first.reason && result.first.decision === Decision.UNKNOWN && <p>{result.first.reason}</p>}
          <p class="why">
            {explain({
              ...{
                raw: result.first.raw,
                r: [result.left.r, result.right.r],
                operator: scored.value?.operator.split('/')[0] ?? '',
              },
              usual: choice.k === facts?.k && facts.calibration !== 'none' ? facts?.r : undefined,
              decided: decidedBy(result, threshold, bank.presets),
            })}
          </p>
          <dl class="figures">
            <dt>raw similarity</dt>
            <dd>{similarity(result.first.raw)}</dd>
            <dt>aligned, by {scored.value?.operator}</dt>
            <dd>{score(result.first.aligned)}</dd>
            {scored.value?.threshold && (
              <>
                <dt>threshold on the aligned scale</dt>
                <dd>{score(scored.value.threshold.value)}</dd>
              </>
            )}
          </dl>
          <ScoreScale
            raw={result.first.raw}
            bands={[
              { name: 'A', ...result.left },
              { name: 'B', ...result.right },
            ]}
            ticks={ticks}
          />
          <OutsideNote of={result.left} name="Face A" />
          <OutsideNote of={result.right} name="Face B" />
        </section>
      )}
      {near.value && (
        <div class="split">
          {near.value.supportSets.map(({ neighbors }, i) => (
            <section key={i}>
              <h2>Look-alikes of {'AB'[i]}</h2>
              <LookAlikes
                bank={bank.name}
                version={near.value?.source?.version ?? ''}
                of={neighbors}
                limit={SHOWN}
                label={`Nearest virtual faces of ${'AB'[i]}`}
              />
            </section>
          ))}
        </div>
      )}
    </>
  );
}

const asked = (threshold: Threshold | undefined) =>
  threshold?.preset !== undefined
    ? { thresholdChoice: { case: 'thresholdPreset' as const, value: threshold.preset } }
    : threshold?.value !== undefined
      ? { thresholdChoice: { case: 'threshold' as const, value: threshold.value } }
      : {};

function decidedBy(
  { curve, first }: { curve: Curve; first: { decision: Decision } },
  threshold: Threshold | undefined,
  presets: readonly { name: string; threshold: number; falseMatchRate: number }[],
) {
  if (!threshold || first.decision === Decision.UNKNOWN) return undefined;
  const preset = presets.find(({ name }) => name === threshold.preset);
  const value = preset?.threshold ?? threshold.value;
  return value === undefined
    ? undefined
    : { needed: neededRaw(curve, value), falseMatchRate: preset?.falseMatchRate };
}
