import { useEffect, useState } from 'preact/hooks';
import { type Problem, problemOf } from './problem.js';
import { session } from './session.js';

export interface Task<T> {
  /** The last answer, kept while the next is on its way. */
  readonly value: T | undefined;
  readonly problem: Problem | undefined;
  readonly busy: boolean;
  /** Asks again. */
  readonly again: () => void;
}

/** Runs `run` whenever `inputs` change, and calls the one before off. `run` undefined: nothing to do, and no value. */
export function useTask<T>(
  run: ((signal: AbortSignal) => Promise<T>) | undefined,
  inputs: readonly unknown[],
): Task<T> {
  const [state, setState] = useState<Omit<Task<T>, 'again'>>({
    ...{ value: undefined, problem: undefined, busy: run !== undefined },
  });
  const [round, setRound] = useState(0);
  useEffect(() => {
    if (!run) {
      setState({ value: undefined, problem: undefined, busy: false });
      return;
    }
    const control = new AbortController();
    setState(({ value }) => ({ value, problem: undefined, busy: true }));
    run(control.signal).then(
      (value) => !control.signal.aborted && setState({ value, problem: undefined, busy: false }),
      (error: unknown) => {
        if (control.signal.aborted) return;
        const problem = problemOf(error);
        if (problem?.signedOut) session.value = { state: 'out' };
        setState({ value: undefined, problem, busy: false });
      },
    );
    return () => control.abort();
  }, [...inputs, round]);
  return { ...state, again: () => setRound((n) => n + 1) };
}
