import { useId, useState } from 'preact/hooks';
import type { Bank } from '../../../src/gen/index.js';
import { bank as bankService } from '../api.js';
import { type Problem, problemOf } from '../problem.js';
import { ProblemNote } from './problem-note.js';

export function RefreshForm({
  bank,
  onStarted,
}: {
  bank: Bank | undefined;
  onStarted: (jobId: string) => void;
}) {
  const id = useId();
  const [size, setSize] = useState<number>();
  const [problem, setProblem] = useState<Problem>();
  const [said, setSaid] = useState('');
  if (!bank) return null;
  const start = async () => {
    setProblem(undefined);
    setSaid('');
    try {
      const { jobId, joined } = await bankService.refresh({ bank: bank.name, ...(size ? { size } : {}) });
      setSaid(joined ? 'One was under way already: the marked one.' : 'Handed to the workers.');
      onStarted(jobId);
    } catch (error) {
      setProblem(problemOf(error));
    }
  };
  return (
    <form
      class="refresh"
      onSubmit={(event) => {
        event.preventDefault();
        void start();
      }}
    >
      <label for={id}>Candidates</label>
      <input
        {...{
          id,
          type: 'number',
          min: 1,
          max: 2_000_000,
          step: 1,
          placeholder: `${bank.candidates || 20_000}`,
          value: size ?? '',
        }}
        onInput={({ currentTarget }) => setSize(currentTarget.valueAsNumber || undefined)}
      />
      <button type="submit">Refresh {bank.name} now</button>
      <span class="quiet" role="status">
        {said}
      </span>
      <ProblemNote problem={problem} />
    </form>
  );
}
