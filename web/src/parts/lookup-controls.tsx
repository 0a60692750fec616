import { useId, useMemo } from 'preact/hooks';
import type { Bank, Version } from '../../../src/gen/index.js';
import { age, count } from '../format.js';

/** How neighbours are looked up; `version` '' is the one in service. */
export interface LookupChoice {
  readonly k: number;
  readonly estimator: string;
  readonly version: string;
}

const LARGEST_K = 4096;

export function LookupControls({
  bank,
  versions,
  choice,
  onChoice,
}: {
  bank: Bank;
  versions: readonly Version[];
  choice: LookupChoice;
  onChoice: (c: LookupChoice) => void;
}) {
  const id = useId();
  const top = Math.min(LARGEST_K, bank.candidates);
  // What was learned holds for the version in service at its K.
  const offeredTo = ({ k, version }: LookupChoice) =>
    k === bank.k && !version ? bank.estimators : ['virtual'];
  const change = (part: Partial<LookupChoice>) => {
    const next = { ...choice, ...part };
    onChoice(offeredTo(next).includes(next.estimator) ? next : { ...next, estimator: 'virtual' });
  };
  const ks = useMemo(() => ladder(top, bank.k), [top, bank.k]);
  return (
    <div class="controls">
      <div>
        <label for={`${id}-k`}>
          K, neighbours in the support set: <output>{count(choice.k)}</output>
          {choice.k === bank.k && <span class="quiet"> (recommended)</span>}
        </label>
        <input
          id={`${id}-k`}
          type="range"
          min={0}
          max={ks.length - 1}
          value={ks.findIndex((k) => k >= choice.k)}
          aria-valuetext={`${choice.k} neighbours`}
          onInput={({ currentTarget }) => change({ k: ks[Number(currentTarget.value)] ?? bank.k })}
        />
        {choice.k !== bank.k && (
          <button type="button" class="small secondary" onClick={() => change({ k: bank.k })}>
            Back to {count(bank.k)}
          </button>
        )}
      </div>
      <div>
        <label for={`${id}-e`}>Estimator</label>
        <select
          id={`${id}-e`}
          value={choice.estimator}
          onChange={({ currentTarget }) => change({ estimator: currentTarget.value })}
        >
          {offeredTo(choice).map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </div>
      <div>
        <label for={`${id}-v`}>Version of {bank.name}</label>
        <select
          id={`${id}-v`}
          value={choice.version}
          onChange={({ currentTarget }) => change({ version: currentTarget.value })}
        >
          <option value="">in service ({bank.version})</option>
          {versions
            .filter((v) => !v.inService && !v.fault)
            .map((v) => (
              <option key={v.version} value={v.version}>
                {v.version}, {age(v.createdAt)}
              </option>
            ))}
        </select>
      </div>
    </div>
  );
}

/** The slider's values: even factors from 1 to `top`, and the recommended one among them. */
function ladder(top: number, recommended: number): readonly number[] {
  const even = Array.from({ length: 101 }, (_, i) => Math.round(top ** (i / 100)));
  return [...new Set([...even, recommended])].filter((k) => k >= 1 && k <= top).sort((a, b) => a - b);
}
