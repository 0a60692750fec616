import { useState } from 'preact/hooks';
import { gallery } from '../api.js';
import { currentBank } from '../banks.js';
import { age, bytes, count, date, score, similarity } from '../format.js';
import { ContactSheet } from '../parts/contact-sheet.js';
import { Evaluations } from '../parts/evaluations.js';
import { NoBank } from '../parts/no-bank.js';
import { ProblemNote } from '../parts/problem-note.js';
import { Spread } from '../parts/spread.js';
import { TuningNote } from '../parts/tuning-note.js';
import { VersionsTable } from '../parts/versions-table.js';
import { Wide } from '../parts/wide.js';
import { useTask } from '../use-task.js';

const REFUSED: Readonly<Record<string, string>> = {
  nearDuplicate: 'were too close to another',
  surplus: 'were more than was wanted',
  undetected: 'showed no face',
};

/** What is in a bank: versions, gates, spread, and every candidate. */
export function BankPage() {
  const bank = currentBank();
  const name = bank?.name ?? '';
  const [version, setVersion] = useState('');
  const versions = useTask(bank && ((signal) => gallery.listVersions({ bank: name }, { signal })), [
    name,
    bank?.version,
  ]);
  const facts = useTask(
    bank?.version || version
      ? (signal) => gallery.getVersion({ bank: name, version, withoutHistograms: true }, { signal })
      : undefined,
    [name, bank?.version, version],
  );
  const shown = facts.value;
  if (!bank?.version && !versions.value?.versions.length) return <NoBank bank={bank} />;
  return (
    <>
      <h1>Bank {name}</h1>
      {[...(bank?.notes ?? []), ...(bank?.warnings ?? [])].map((text) => (
        <p class="note" key={text}>
          {text}
        </p>
      ))}
      <ProblemNote problem={versions.problem} again={versions.again} />
      {versions.value && (
        <VersionsTable
          {...{
            bank: name,
            versions: versions.value.versions,
            shown: shown?.version?.version ?? '',
            onShow: setVersion,
          }}
          onChange={versions.again}
        />
      )}
      <ProblemNote problem={facts.problem} again={facts.again} />
      {shown && (
        <section aria-busy={facts.busy}>
          <h2>Version {shown.version?.version}</h2>
          <dl class="figures">
            <dt>candidates</dt>
            <dd>
              {count(shown.version?.candidates ?? 0)}
              {shown.drawn > 0 && `, ${count(shown.drawn)} of them drawn`}
            </dd>
            <dt>made</dt>
            <dd>
              {date(shown.version?.createdAt)} ({age(shown.version?.createdAt)})
            </dd>
            <dt>size</dt>
            <dd>{bytes(Number(shown.bytes))}</dd>
            <dt>generator</dt>
            <dd>
              {shown.generator}, psi {shown.psi}, epoch {shown.epoch}
            </dd>
            <dt>embedder</dt>
            <dd>
              {shown.embedder}, {shown.dimension}-d
            </dd>
            <dt>recommends</dt>
            <dd>
              {shown.operator}, K {count(shown.k)}
              {shown.operator.startsWith('shift') && `, λ ${shown.lambda}`}
            </dd>
            <dt>engine</dt>
            <dd>{shown.engine}</dd>
            <dt>calibration</dt>
            <dd>{shown.calibration}</dd>
          </dl>
          {shown.reason && <p class="quiet">{shown.reason}</p>}
          <TuningNote of={shown.tuning} />
          <h3>Gates</h3>
          <Wide label="Gates">
            <table>
              <thead>
                <tr>
                  <th scope="col">gate</th>
                  <th scope="col">passed</th>
                  <th scope="col">value</th>
                  <th scope="col">limit</th>
                </tr>
              </thead>
              <tbody>
                {shown.gates.map(({ name: gate, passed, value, limit }) => (
                  <tr key={gate}>
                    <th scope="row">{gate}</th>
                    <td>{passed ? 'yes' : 'no'}</td>
                    <td>{Math.abs(value) < 10 ? similarity(value) : score(value)}</td>
                    <td>{Math.abs(limit) < 10 ? similarity(limit) : score(limit)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Wide>
          {shown.generated > 0 && (
            <p>
              Of {count(shown.generated)} seeds tried,{' '}
              {Object.entries(shown.rejected)
                .map(([why, n]) => `${count(n)} ${REFUSED[why] ?? `were refused (${why})`}`)
                .join(', ') || 'none was refused'}
              .
            </p>
          )}
          <Spread
            bank={name}
            version={shown.version?.version ?? ''}
            candidates={shown.version?.candidates ?? 0}
          />
          <Evaluations bank={name} version={shown.version?.version ?? ''} />
          <ContactSheet
            bank={name}
            version={shown.version?.version ?? ''}
            total={shown.version?.candidates ?? 0}
          />
        </section>
      )}
    </>
  );
}
