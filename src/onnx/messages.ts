import { type ErrorCode, FoilbankError, reasonOf } from '../errors.js';
import type { NetworkHost, NetworkSource } from './network.js';
import type { Tensors, ValueInfo } from './tensor.js';

/**
 * What a thread does between runs of its own networks, so that the values between them cross no thread. The default export of a
 * module that the threads import; input and output must be clonable.
 */
export type ThreadProgram<Setup, Input, Output> = (
  host: NetworkHost,
  setup: Setup,
) => Promise<(input: Input) => Promise<Output>>;

/** What the pool and its threads say to each other. */
export type ToThread =
  | { readonly kind: 'open'; readonly task: number; readonly network: number; readonly source: NetworkSource }
  | {
      readonly kind: 'run';
      readonly task: number;
      readonly network: number;
      readonly feeds: Tensors;
      readonly outputs: readonly string[] | undefined;
    }
  | { readonly kind: 'release'; readonly task: number; readonly network: number }
  | {
      readonly kind: 'start';
      readonly task: number;
      readonly program: number;
      readonly module: string;
      readonly setup: unknown;
    }
  | { readonly kind: 'call'; readonly task: number; readonly program: number; readonly input: unknown };

export type FromThread =
  | { readonly task: number; readonly ok: true; readonly milliseconds: number; readonly result: TaskResult }
  | { readonly task: number; readonly ok: false; readonly error: PackedError };

export type TaskResult =
  | { readonly kind: 'opened'; readonly inputs: readonly ValueInfo[]; readonly outputs: readonly ValueInfo[] }
  | { readonly kind: 'ran'; readonly outputs: Tensors }
  | { readonly kind: 'called'; readonly output: unknown }
  | { readonly kind: 'done' };

/** An error as plain data: of an error that crosses threads as it is, only the message would arrive. */
export type PackedError =
  | { readonly code: ErrorCode; readonly details: FoilbankError['details'] }
  | { readonly reason: string };

export const packError = (error: unknown): PackedError =>
  error instanceof FoilbankError ? { code: error.code, details: error.details } : { reason: reasonOf(error) };

export const unpackError = (packed: PackedError): Error =>
  'code' in packed ? new FoilbankError(packed.code, packed.details) : new Error(packed.reason);
