import { FoilbankError, reasonOf } from '../errors.js';

/** What went wrong with an S3 request, told by status and name, never by message. */
interface ServiceFault {
  readonly name?: string;
  readonly code?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

const faultOf = (error: unknown): ServiceFault => (error instanceof Error ? (error as ServiceFault) : {});
const statusOf = (error: unknown): number | undefined => faultOf(error).$metadata?.httpStatusCode;
const isNamed = (error: unknown, ...names: string[]): boolean => names.includes(faultOf(error).name ?? '');

/** There is no such object. That there is no such bucket is another matter. */
export const isAbsence = (error: unknown): boolean =>
  statusOf(error) === 404 && !isNamed(error, 'NoSuchBucket');

/** The key is not free. */
export const isTaken = (error: unknown): boolean => statusOf(error) === 412;

/** Another conditional write of the key is under way. */
export const isConflict = (error: unknown): boolean => statusOf(error) === 409;

/** The upload in parts is gone: aborted, or finished by an earlier try of the same request. */
export const isLostUpload = (error: unknown): boolean => isNamed(error, 'NoSuchUpload');

export const isUnsupported = (error: unknown): boolean => statusOf(error) === 501;

const TRANSIENT_STATUS = [408, 409, 412, 429];
const TRANSIENT_NAMES = ['TimeoutError', 'RequestTimeout', 'SlowDown', 'AbortError'];

/**
 * @returns FoilbankError FB_STORE_FULL, FB_STORE_UNREACHABLE (worth trying again) or FB_STORE_REFUSED; FB_FILE_UNWRITABLE
 *   when what was to be written could not be read
 */
export function s3Fault(store: string, file: string, error: unknown): FoilbankError {
  if (error instanceof FoilbankError) return error;
  const status = statusOf(error);
  const { name, code } = faultOf(error);
  const cause = withoutRequest(error);
  if (status === 507 || isNamed(error, 'XMinioStorageFull', 'QuotaExceeded'))
    return new FoilbankError('FB_STORE_FULL', { store, file }, { cause });
  // A service's message may quote the request, so only its name is passed on.
  const reason = status === undefined ? reasonOf(error) || String(code) : `${name} (HTTP ${status})`;
  const transient =
    status === undefined
      ? typeof code === 'string' || TRANSIENT_NAMES.includes(name ?? '')
      : status >= 500 || TRANSIENT_STATUS.includes(status) || TRANSIENT_NAMES.includes(name ?? '');
  const kind = transient ? 'FB_STORE_UNREACHABLE' : 'FB_STORE_REFUSED';
  return new FoilbankError(kind, { store, file, reason }, { cause });
}

/** The SDK hangs request and response on its errors, signature and session token among them: not for logs. */
function withoutRequest(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const bare = new Error(error.message);
  return Object.assign(bare, {
    name: error.name,
    ...(error.stack === undefined ? {} : { stack: error.stack }),
  });
}
