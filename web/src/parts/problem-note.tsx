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
        <strong>{problem.message}</strong>
        {problem.remedy && <> {problem.remedy}</>}
      </p>
      <p class="quiet">
        <code>{problem.code}</code>
        {again && (
          <button type="button" class="small secondary" onClick={again}>
            Try again
          </button>
        )}
      </p>
    </div>
  );
}
