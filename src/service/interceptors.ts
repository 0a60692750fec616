import { randomUUID } from 'node:crypto';
import { type DescMethod, getOption, hasOption } from '@bufbuild/protobuf';
import { createValidator } from '@bufbuild/protovalidate';
import { Code, type Interceptor } from '@connectrpc/connect';
import { FoilbankError } from '../errors.js';
import { reflection, Scope, scope as scopeOption } from '../gen/index.js';
import type { Logger } from '../log.js';
import type { Door } from './door.js';
import type { ScopeName } from './keys.js';
import type { ServiceMetrics } from './metrics.js';
import { rpcErrorOf } from './rpc-errors.js';

const NAMES: Readonly<Record<Exclude<Scope, Scope.UNSPECIFIED>, ScopeName>> = {
  [Scope.READ]: 'read',
  [Scope.SCORE]: 'score',
  [Scope.ADMIN]: 'admin',
};

/** What a method needs, as its contract says; undefined: nothing, so that health can be probed. @throws TypeError when it says nothing */
export function scopeOf(method: DescMethod): ScopeName | undefined {
  const service = method.parent.typeName;
  if (service === 'grpc.health.v1.Health') return undefined;
  if (service === reflection.ServerReflection.typeName) return 'read';
  const scope = hasOption(method, scopeOption) ? getOption(method, scopeOption) : Scope.UNSPECIFIED;
  if (scope === Scope.UNSPECIFIED) throw new TypeError(`method ${service}.${method.name} has no scope`);
  return NAMES[scope];
}

/**
 * Outermost: gives every request an id, counts and times it, logs how it ended, and turns what was thrown into an answer.
 * Logged are names, numbers and codes only.
 */
export function observed(log: Logger, metrics: ServiceMetrics): Interceptor {
  return (next) => async (request) => {
    const id = randomUUID();
    const rpc = `${request.service.typeName}/${request.method.name}`;
    const started = performance.now();
    metrics.underWay.inc();
    const end = (code: string, error?: unknown) => {
      const seconds = (performance.now() - started) / 1000;
      metrics.underWay.dec();
      metrics.seconds.observe({ rpc, code }, seconds);
      const told = { id, rpc, code, ms: Math.round(seconds * 1e4) / 10 };
      if (error === undefined) log.debug(told, 'answered');
      else if (error instanceof FoilbankError) log.info({ ...told, error: error.code }, 'refused');
      else if (code === 'internal') log.error({ ...told, err: error }, 'defect');
      else log.info(told, 'failed');
    };
    const fail = (error: unknown) => {
      const answer = rpcErrorOf(error);
      answer.metadata.set('x-request-id', id);
      if (answer.code === Code.ResourceExhausted) metrics.shed.inc({ code: codeOf(error) });
      end(nameOf(answer.code), error);
      return answer;
    };
    try {
      const response = await next(request);
      response.header.set('x-request-id', id);
      if (!response.stream) {
        end('ok');
        return response;
      }
      return { ...response, message: watched(response.message, end, fail) };
    } catch (error) {
      throw fail(error);
    }
  };
}

/** As gRPC spells it: invalid_argument. */
const nameOf = (code: Code): string => Code[code].replace(/(?<=[a-z])(?=[A-Z])/g, '_').toLowerCase();
const codeOf = (error: unknown): string => (error instanceof FoilbankError ? error.code : 'other');

/** A stream that ends only once it was read. */
async function* watched<T>(
  messages: AsyncIterable<T>,
  end: (code: string) => void,
  fail: (error: unknown) => Error,
): AsyncIterable<T> {
  let done = false;
  try {
    yield* messages;
    done = true;
    end('ok');
  } catch (error) {
    done = true;
    throw fail(error);
  } finally {
    if (!done) end('canceled');
  }
}

export interface Admission {
  readonly door: Door;
  /** RPCs under way at once; one more is refused before latency collapses for all. */
  readonly concurrency: number;
  readonly draining: () => boolean;
}

/** Lets in who may come in, and not more than can be served. */
export function admitted({ door, concurrency, draining }: Admission): Interceptor {
  let underWay = 0;
  return (next) => async (request) => {
    const scope = scopeOf(request.method);
    if (scope === undefined) return next(request);
    if (draining()) throw new FoilbankError('FB_STOPPING', {});
    const { requestMethod: method, url, header } = request;
    door.admit({ method, url, header: (name) => header.get(name) }, scope);
    if (underWay >= concurrency)
      throw new FoilbankError('FB_OVERLOADED', { what: 'requests under way', limit: concurrency });
    underWay++;
    let streams = false;
    try {
      const response = await next(request);
      if (!response.stream) return response;
      streams = true;
      return {
        ...response,
        message: counted(response.message, () => {
          underWay--;
        }),
      };
    } finally {
      if (!streams) underWay--;
    }
  };
}

async function* counted<T>(messages: AsyncIterable<T>, done: () => void): AsyncIterable<T> {
  try {
    yield* messages;
  } finally {
    done();
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
      if (!request.stream) check(validator.validate(request.method.input, request.message));
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
