import type { Problem } from '../problem.js';

/** What went wrong and what to do about it, read out at once. */
export function ProblemNote({
  problem,
  again,
}: {
  problem: Problem | undefined;
  again?: (() => void) | undefined;
}) {
  if (!problem) return null;
  return (
    <div class="note problem" role="alert">
      <p>
        <strong>{problem.message.replace(/\w$/, '$&.')}</strong>
        {problem.remedy && <> {withCode(problem.remedy)}</>}
      </p>
      <p class="quiet">
        <code>{problem.code}</code>
        {again && problem.passing && (
          <button type="button" class="small secondary" onClick={again}>
            Try again
          </button>
        )}
      </p>
    </div>
  );
}

/** What stands between backticks is something to type. */
const withCode = (text: string) =>
  text.split('`').map((part, i) => (i % 2 ? <code key={i}>{part}</code> : part));
