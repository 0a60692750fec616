import { type DescMethod, getOption, hasOption } from '@bufbuild/protobuf';
import type { ConnectError, Interceptor } from '@connectrpc/connect';
import type { UniversalServerRequest } from '@connectrpc/connect/protocol';
import { FoilbankError } from '../errors.js';
import { reflection, reflectionAlpha, Scope, scope as scopeOption } from '../gen/index.js';
import type { Logger } from '../log.js';
import type { ScopeName } from './keys.js';
import type { ServiceMetrics } from './metrics.js';
import { Observation } from './observation.js';

const NAMES: Readonly<Record<Exclude<Scope, Scope.UNSPECIFIED>, ScopeName>> = {
  [Scope.READ]: 'read',
  [Scope.SCORE]: 'score',
  [Scope.ADMIN]: 'admin',
};
const REFLECTION = [reflection, reflectionAlpha].map(({ ServerReflection }) => ServerReflection.typeName);

/** What a method needs, as its contract says; undefined: nothing, so that health can be probed. @throws TypeError when it says nothing */
export function scopeOf(method: DescMethod): ScopeName | undefined {
  if (!known.has(method)) known.set(method, readScope(method));
  return known.get(method);
}

/** Every call asks twice, and an option is decoded each time that it is read. */
const known = new WeakMap<DescMethod, ScopeName | undefined>();

function readScope(method: DescMethod): ScopeName | undefined {
  const service = method.parent.typeName;
  if (service === 'grpc.health.v1.Health') return undefined;
  if (REFLECTION.some((name) => name === service)) return 'read';
  const scope = hasOption(method, scopeOption) ? getOption(method, scopeOption) : Scope.UNSPECIFIED;
  if (scope === Scope.UNSPECIFIED) throw new TypeError(`method ${service}.${method.name} has no scope`);
  return NAMES[scope];
}

/** A request of which nothing but its headers has come. */
export type Headed = Pick<UniversalServerRequest, 'method' | 'url' | 'header'>;

export interface EntranceOptions {
  /** @throws FoilbankError for one who may not do what needs the scope */
  readonly admit: (request: Headed, scope: ScopeName) => unknown;
  /** RPCs under way at once; one more is refused before latency collapses for all. */
  readonly concurrency: number;
  readonly draining: () => boolean;
  readonly log: Logger;
  readonly metrics: ServiceMetrics;
}

/** Lets in who may come in, and not more than can be served. */
export class Entrance {
  readonly #options: EntranceOptions;
  #underWay = 0;

  constructor(options: EntranceOptions) {
    this.#options = options;
  }

  /** Decides by the headers alone. @returns the answer to one who may not come in */
  refusal(method: DescMethod, request: Headed): ConnectError | undefined {
    const { admit, draining, log, metrics } = this.#options;
    const scope = scopeOf(method);
    if (scope === undefined) return undefined;
    try {
      if (draining()) throw new FoilbankError('FB_STOPPING', {});
      admit(request, scope);
      this.#expectRoom();
      return undefined;
    } catch (error) {
      return new Observation(log, metrics, method, request.header).fail(error);
    }
  }

  /** Counts what is under way, from the whole request to the whole reply: those that send slowly take nobody's place. */
  counting(): Interceptor {
    return (next) => async (request) => {
      if (scopeOf(request.method) === undefined) return next(request);
      this.#expectRoom();
      this.#underWay++;
      const done = () => {
        this.#underWay--;
      };
      let streams = false;
      try {
        const response = await next(request);
        if (!response.stream) return response;
        streams = true;
        return { ...response, message: counted(response.message, done) };
      } finally {
        if (!streams) done();
      }
    };
  }

  #expectRoom(): void {
    const { concurrency: limit } = this.#options;
    if (this.#underWay >= limit)
      throw new FoilbankError('FB_OVERLOADED', { what: 'requests under way', limit });
  }
}

async function* counted<T>(messages: AsyncIterable<T>, done: () => void): AsyncIterable<T> {
  try {
    yield* messages;
  } finally {
    done();
  }
}
