import { createValidator } from '@bufbuild/protovalidate';
import type { Interceptor } from '@connectrpc/connect';
import { FoilbankError } from '../errors.js';
import type { Logger } from '../log.js';
import { abridged } from './abridged.js';
import type { ServiceMetrics } from './metrics.js';
import { Observation } from './observation.js';
import { particularsOf } from './particulars.js';
import { REFUSAL, SEEN } from './rpc-handler.js';

/**
 * Outermost: gives every request an id, counts and times it, logs and traces how it ended, and turns what was thrown into an
 * answer. One that was refused at the entrance has been told of already.
 */
export function observed(log: Logger, metrics: ServiceMetrics): Interceptor {
  return (next) => async (request) => {
    const refusal = request.contextValues.get(REFUSAL);
    if (refusal) throw refusal;
    request.contextValues.set(SEEN, true);
    const seen = new Observation(log, metrics, request.method, request.header);
    try {
      const answer = next(request);
      const response = await (request.stream ? answer : inTime(answer, request.signal));
      seen.mark(response.header);
      if (!response.stream) {
        if (!request.stream) seen.note(particularsOf(request.message, response.message));
        seen.end('ok');
        return response;
      }
      return { ...response, message: watched(response.message, seen) };
    } catch (error) {
      throw seen.fail(error);
    }
  };
}

/**
 * Ends with the deadline, or the client: who answers need not look at the signal himself. It holds nothing of the answer after that,
 * as the signal lives until the client has read it.
 */
function inTime<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    answer.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

/** A stream that ends only once it was read. */
async function* watched<T>(messages: AsyncIterable<T>, seen: Observation): AsyncIterable<T> {
  let done = false;
  try {
    yield* messages;
    done = true;
    seen.end('ok');
  } catch (error) {
    done = true;
    throw seen.fail(error);
  } finally {
    if (!done) seen.end('canceled');
  }
}

/** Holds requests against the rules of the contract. */
export function validated(): Interceptor {
  const validator = createValidator();
  return (next) => async (request) => {
    if (request.method.methodKind === 'unary' || request.method.methodKind === 'server_streaming') {
      const messages = request.stream ? request.message : undefined;
      if (messages) {
        const checked = async function* () {
          for await (const message of messages) {
            check(validator.validate(request.method.input, message));
            yield message;
          }
        };
        return next({ ...request, message: checked() } as typeof request);
      }
      if (!request.stream) check(validator.validate(request.method.input, abridged(request.message)));
    }
    return next(request);
  };
}

function check(result: ReturnType<ReturnType<typeof createValidator>['validate']>): void {
  if (result.kind === 'valid') return;
  if (result.kind === 'error') throw result.error;
  const [violation] = result.violations;
  const text = violation?.toString() ?? '';
  const at = text.indexOf(': ');
  const field = at > 0 ? text.slice(0, at) : '(the request itself)';
  throw new FoilbankError('FB_REQUEST_INVALID', {
    field,
    reason: violation?.message || text.slice(at + 2) || 'it breaks a rule of the contract',
  });
}
