import { useState } from 'preact/hooks';
import type { Version } from '../../../src/gen/index.js';
import { bank as bankService } from '../api.js';
import { age, count, date } from '../format.js';
import { loadBanks } from '../load-banks.js';
import { type Problem, problemOf } from '../problem.js';
import { may } from '../session.js';
import { Confirm } from './confirm.js';
import { ProblemNote } from './problem-note.js';
import { Wide } from './wide.js';

export function VersionsTable({
  bank,
  versions,
  shown,
  onShow,
  onChange,
}: {
  bank: string;
  versions: readonly Version[];
  shown: string;
  onShow: (version: string) => void;
  onChange: () => void;
}) {
  const [problem, setProblem] = useState<Problem>();
  const [asked, setAsked] = useState<string>();
  const admin = may('admin');
  const change = async (call: () => Promise<unknown>) => {
    setProblem(undefined);
    await call().then(
      async () => {
        await loadBanks();
        onChange();
      },
      (error: unknown) => setProblem(problemOf(error)),
    );
  };
  return (
    <section>
      <h2>Versions</h2>
      <ProblemNote problem={problem} />
      <Wide label="Versions">
        <table>
          <thead>
            <tr>
              <th scope="col">version</th>
              <th scope="col">made</th>
              <th scope="col">candidates</th>
              <th scope="col">state</th>
              {admin && <th scope="col">change</th>}
            </tr>
          </thead>
          <tbody>
            {versions.map(({ version, createdAt, candidates, inService, pinned, fault }) => (
              <tr key={version} class={version === shown ? 'chosen' : ''}>
                <th scope="row">
                  {fault ? (
                    version
                  ) : (
                    <button
                      type="button"
                      class="link"
                      aria-pressed={version === shown}
                      onClick={() => onShow(version)}
                    >
                      {version}
                    </button>
                  )}
                </th>
                <td class="short" title={date(createdAt)}>
                  {age(createdAt)}
                </td>
                <td>{fault ? '–' : count(candidates)}</td>
                <td>
                  {[inService && 'in service', pinned && 'pinned', fault && `cannot be read: ${fault}`]
                    .filter(Boolean)
                    .join(', ')}
                </td>
                {admin && (
                  <td class="actions">
                    {!inService && !fault && (
                      <button type="button" class="small secondary" onClick={() => setAsked(version)}>
                        Put into service
                      </button>
                    )}
                    <button
                      type="button"
                      class="small secondary"
                      onClick={() => change(() => bankService.pin({ bank, version, unpin: pinned }))}
                    >
                      {pinned ? 'Unpin' : 'Pin'}
                    </button>
                  </td>
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </Wide>
      {asked && (
        <Confirm
          question={`Put version ${asked} of ${bank} into service?`}
          explanation="Every byte of it is verified first. Comparisons go over to it at once, for everybody who uses this bank."
          action="Put into service"
          onDone={(yes) => {
            setAsked(undefined);
            if (yes) void change(() => bankService.rollback({ bank, version: asked }));
          }}
        />
      )}
    </section>
  );
}
