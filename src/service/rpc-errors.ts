import { Code, ConnectError } from '@connectrpc/connect';
import { FoilbankError, type GrpcStatus } from '../errors.js';
import { ErrorDetailSchema } from '../gen/index.js';

const CODES: Readonly<Record<GrpcStatus, Code>> = {
  INVALID_ARGUMENT: Code.InvalidArgument,
  NOT_FOUND: Code.NotFound,
  ALREADY_EXISTS: Code.AlreadyExists,
  FAILED_PRECONDITION: Code.FailedPrecondition,
  RESOURCE_EXHAUSTED: Code.ResourceExhausted,
  DATA_LOSS: Code.DataLoss,
  UNAVAILABLE: Code.Unavailable,
  CANCELLED: Code.Canceled,
  INTERNAL: Code.Internal,
  UNAUTHENTICATED: Code.Unauthenticated,
  PERMISSION_DENIED: Code.PermissionDenied,
};

/** Anything thrown as the client is told it: a code of the catalogue with its detail; of a defect nothing but that there is one. */
export function rpcErrorOf(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  // Connect's own signal: the client went away, or its deadline passed.
  if (error instanceof Error && error.name === 'AbortError') return ConnectError.from(error, Code.Canceled);
  if (!(error instanceof FoilbankError))
    return new ConnectError(
      'FB_UNEXPECTED: this is a defect of the server; its log says more',
      Code.Internal,
    );
  const { code, message, remedy, retryable, details } = error;
  const values = Object.fromEntries(Object.entries(details).map(([name, value]) => [name, String(value)]));
  return new ConnectError(`${code}: ${message}`, CODES[error.status], undefined, [
    { desc: ErrorDetailSchema, value: { code, remedy, retryable, values } },
  ]);
}
