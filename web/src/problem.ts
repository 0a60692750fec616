import { Code, ConnectError } from '@connectrpc/connect';
import { ErrorDetailSchema } from '../../src/gen/index.js';

/** A failure as the page shows it. */
export interface Problem {
  /** Of docs/errors.md, or of the protocol where the server could not say. */
  readonly code: string;
  readonly message: string;
  readonly remedy?: string | undefined;
  /** The same call may succeed without any change. */
  readonly passing: boolean;
  /** The session is missing or ended: the page asks for the key. */
  readonly signedOut: boolean;
}

/** Undefined where it was only called off. */
export function problemOf(error: unknown): Problem | undefined {
  if (error instanceof DOMException && error.name === 'AbortError') return undefined;
  const failure = ConnectError.from(error);
  if (failure.code === Code.Canceled) return undefined;
  const [detail] = failure.findDetails(ErrorDetailSchema);
  const unreachable = !detail && failure.code === Code.Unknown && failure.cause instanceof TypeError;
  if (unreachable)
    return {
      ...{ code: 'unreachable', message: 'The server does not answer.', signedOut: false, passing: true },
      remedy: 'See that `foilbank serve` runs, then try again.',
    };
  // It is refused before it is read, so there is no code of ours; nothing but a photo is so large.
  if (!detail && failure.code === Code.ResourceExhausted)
    return {
      ...{
        code: 'too large',
        message: 'The server takes no file so large.',
        signedOut: false,
        passing: false,
      },
      remedy: 'Scale the photo down, or raise `FOILBANK_MAX_MESSAGE_BYTES`.',
    };
  return {
    code: detail?.code ?? Code[failure.code] ?? 'unknown',
    // The code stands below it.
    message: failure.rawMessage.replace(/^FB_[A-Z0-9_]+: /, ''),
    remedy: detail?.remedy || undefined,
    passing: detail?.retryable ?? true,
    signedOut: failure.code === Code.Unauthenticated,
  };
}
