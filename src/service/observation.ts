import { randomUUID } from 'node:crypto';
import type { DescMethod } from '@bufbuild/protobuf';
import { Code, type ConnectError } from '@connectrpc/connect';
import { propagation, ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { FoilbankError } from '../errors.js';
import type { Logger } from '../log.js';
import { VERSION } from '../version.js';
import type { ServiceMetrics } from './metrics.js';
import type { Particulars } from './particulars.js';
import { rpcErrorOf } from './rpc-errors.js';

const headerGetter = {
  get: (headers: Headers, name: string) => headers.get(name) ?? undefined,
  keys: (headers: Headers) => [...headers.keys()],
};

/** One request as it is counted, timed, logged and traced. None of the four ever sees an embedding, a photo or a key. */
export class Observation {
  readonly id = randomUUID();
  readonly #rpc: string;
  readonly #started = performance.now();
  readonly #span: Span;

  /** @param headers of the request: a `traceparent` among them makes its span a child of the caller's */
  constructor(
    readonly log: Logger,
    readonly metrics: ServiceMetrics,
    method: DescMethod,
    headers: Headers,
  ) {
    const service = method.parent.typeName;
    this.#rpc = `${service}/${method.name}`;
    metrics.underWay.inc();
    const attributes = { 'rpc.service': service, 'rpc.method': method.name, 'foilbank.request_id': this.id };
    this.#span = trace
      .getTracer('foilbank', VERSION)
      .startSpan(
        this.#rpc,
        { kind: SpanKind.SERVER, attributes },
        propagation.extract(ROOT_CONTEXT, headers, headerGetter),
      );
  }

  note({ bank, version, size }: Particulars): void {
    if (bank !== undefined) this.#span.setAttribute('foilbank.bank', bank);
    if (version !== undefined) this.#span.setAttribute('foilbank.bank_version', version);
    if (size !== undefined) this.#span.setAttribute('foilbank.batch_size', size);
  }

  end(code: string, error?: unknown): void {
    const { id, log, metrics } = this;
    const rpc = this.#rpc;
    const seconds = (performance.now() - this.#started) / 1000;
    metrics.underWay.dec();
    metrics.seconds.observe({ rpc, code }, seconds);
    this.#span.setAttribute('foilbank.code', code);
    if (error !== undefined) this.#span.setAttribute('foilbank.error', codeOf(error));
    // A caller's mistake is no fault of the server's, by OpenTelemetry's own rule.
    if (code === 'internal') this.#span.setStatus({ code: SpanStatusCode.ERROR });
    this.#span.end();
    const told = { id, rpc, code, ms: Math.round(seconds * 1e4) / 10 };
    if (error === undefined) log.debug(told, 'answered');
    else if (error instanceof FoilbankError) log.info({ ...told, error: error.code }, 'refused');
    else if (code === 'internal') log.error({ ...told, err: error }, 'defect');
    else log.info(told, 'failed');
  }

  /** Ends it with what was thrown. @returns the answer to that */
  fail(error: unknown): ConnectError {
    const answer = rpcErrorOf(error);
    this.mark(answer.metadata);
    if (answer.code === Code.ResourceExhausted) this.metrics.shed.inc({ code: codeOf(error) });
    this.end(nameOf(answer.code), error);
    return answer;
  }

  /** Headers that every answer has. */
  mark(headers: Headers): void {
    headers.set('x-request-id', this.id);
    headers.set('foilbank-version', VERSION);
  }
}

/** As gRPC spells it: invalid_argument. */
const nameOf = (code: Code): string => Code[code].replace(/(?<=[a-z])(?=[A-Z])/g, '_').toLowerCase();
const codeOf = (error: unknown): string => (error instanceof FoilbankError ? error.code : 'other');
