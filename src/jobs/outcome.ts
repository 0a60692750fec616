import { DelayedError, UnrecoverableError, WaitingChildrenError, WaitingError } from 'bullmq';
import { ERROR_CATALOGUE, type ErrorCode, FoilbankError, reasonOf } from '../errors.js';

/** What BullMQ throws to end a turn, which is no failure. */
const TURNS = [WaitingChildrenError, WaitingError, DelayedError];

/**
 * A handler's failure as the queue keeps it: `CODE: message`. The error's type decides whether it is tried again: what is
 * not known may well be a passing fault, a known one says so itself.
 */
export function asJobError(error: unknown): unknown {
  if (TURNS.some((turn) => error instanceof turn) || error instanceof UnrecoverableError) return error;
  if (!(error instanceof FoilbankError))
    return new Error(`FB_UNEXPECTED: ${reasonOf(error)}`, { cause: error });
  return error.retryable ? new Error(textOf(error), { cause: error }) : finalError(error);
}

/** A failure that ends the job whatever tries it has left. */
export const finalError = (error: FoilbankError): UnrecoverableError => new UnrecoverableError(textOf(error));

const textOf = ({ code, message }: FoilbankError): string => `${code}: ${message}`;

/** Whether a failure that was kept as text may pass at another try. */
export function isRetryable(text: string): boolean {
  const code = /^(FB_[A-Z_]+):/.exec(text)?.[1];
  if (!code || !(code in ERROR_CATALOGUE)) return true;
  return 'retryable' in ERROR_CATALOGUE[code as ErrorCode];
}
