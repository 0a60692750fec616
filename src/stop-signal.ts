import { FoilbankError } from './errors.js';

/** The signal of a process: SIGINT and SIGTERM abort it, with `onFirst` to say so; a second one ends the process at once. */
export function stopSignal(onFirst: () => void): AbortController {
  const controller = new AbortController();
  let asked = false;
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.on(name, () => {
      // Not process.exit: it would tear threads out of native code, which ends in a core dump.
      if (asked) process.kill(process.pid, 'SIGKILL');
      asked = true;
      onFirst();
      controller.abort(new FoilbankError('FB_CANCELLED', { what: 'by signal' }));
    });
  return controller;
}
