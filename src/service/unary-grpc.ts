import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import {
  type DescMessage,
  type DescMethod,
  type DescMethodUnary,
  fromBinary,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import {
  Code,
  ConnectError,
  createContextValues,
  type Interceptor,
  type UnaryRequest,
} from '@connectrpc/connect';
import { parseTimeout, setTrailerStatus } from '@connectrpc/connect/protocol-grpc';
import { parsedUrl } from './asking.js';
import { CallSignal } from './call-signal.js';
import type { Headed } from './entrance.js';
import { freeLarge } from './free-large.js';
import type { StreamTaker } from './listener.js';

/** A method with what answers it. */
export interface Unary<M extends DescMethodUnary = DescMethodUnary> {
  readonly method: M;
  answer(
    request: MessageShape<M['input']>,
    context: { readonly signal: AbortSignal },
  ): Promise<MessageShape<M['output']>>;
}

export interface UnaryGrpcOptions {
  readonly unary: readonly Unary[];
  /** Outermost first, the very ones of all other calls. */
  readonly interceptors: readonly Interceptor[];
  /** Of one message. */
  readonly readMaxBytes: number;
  /** Of a deadline, and of reading a reply. */
  readonly maxTimeoutMs: number;
  /** @returns the answer to one whom his headers do not let in */
  entrance(method: DescMethodUnary, request: Headed): ConnectError | undefined;
  /** Told of a call that could not be read. @returns the answer with its headers */
  unread(method: DescMethod, request: Headed, error: ConnectError): ConnectError;
  /** Answers what is no plain call after all, from its whole body. */
  usual(call: UnaryCall, body: Buffer): void;
  /** Lets go of the rest of a body that nobody wants. */
  dismiss(stream: ServerHttp2Stream): void;
}

/** A call whose headers let it in. */
export interface UnaryCall extends Headed {
  readonly method: 'POST';
  readonly path: string;
  readonly stream: ServerHttp2Stream;
  /** Aborts when the client goes away, or its time is over. */
  readonly signal: AbortSignal;
}

type Next = Parameters<Interceptor>[0];

const TYPES = new Set(['application/grpc', 'application/grpc+proto']);
const PREFIX = 5;

/**
 * Answers plain unary gRPC calls: HTTP/2, protobuf, not compressed, as nearly all gRPC is. Connect handles a call as streams of
 * streams inside Node's request and response, which for a message of half a kilobyte costs far more than the lookup itself
 * (`npm run bench -- service`); here it is one message in and one out of an HTTP/2 stream, through the same interceptors.
 * Whatever is out of the ordinary goes Connect's way.
 */
export function unaryGrpc(options: UnaryGrpcOptions): StreamTaker {
  const { maxTimeoutMs, entrance, dismiss } = options;
  const methods = new Map(options.unary.map((one) => [pathOf(one.method), answering(one, options)]));
  return (stream, headers) => {
    const path = headers[':path'] ?? '';
    const asked = isPlain(headers) ? methods.get(path) : undefined;
    if (!asked) return false;
    const { timeoutMs, error } = parseTimeout(headers['grpc-timeout']?.toString() ?? null, maxTimeoutMs);
    const headed = error ? undefined : headedOf(stream, headers, path);
    if (!headed) return false;
    stream.on('error', () => {});
    const refusal = entrance(asked.method, headed);
    if (refusal) {
      stream.resume();
      dismiss(stream);
      refuse(stream, refusal);
    } else asked.answer({ ...headed, path, stream }, timeoutMs);
    return true;
  };
}

const pathOf = (method: DescMethodUnary): string => `/${method.parent.typeName}/${method.name}`;

function isPlain(headers: IncomingHttpHeaders): boolean {
  return (
    headers[':method'] === 'POST' &&
    TYPES.has(headers['content-type'] ?? '') &&
    (headers['grpc-encoding'] ?? 'identity') === 'identity' &&
    headers.expect === undefined
  );
}

/** Undefined without a host, with one that makes no address, and with headers that are none. */
function headedOf({ session }: ServerHttp2Stream, headers: IncomingHttpHeaders, path: string) {
  const url = `${session?.encrypted ? 'https' : 'http'}://${headers[':authority'] ?? headers.host}${path}`;
  if (!parsedUrl(url)) return undefined;
  try {
    const header = new Headers();
    for (const [name, value] of Object.entries(headers))
      if (!name.startsWith(':') && value !== undefined) header.set(name, String(value));
    return { method: 'POST', url, header } as const;
  } catch {
    return undefined;
  }
}

function answering<M extends DescMethodUnary>(
  { method, answer }: Unary<M>,
  { interceptors, readMaxBytes, usual, dismiss, unread, maxTimeoutMs }: UnaryGrpcOptions,
) {
  const innermost: Next = async (request) => ({
    ...{ stream: false, service: method.parent, method, header: new Headers(), trailer: new Headers() },
    message: await answer(request.message as MessageShape<M['input']>, request),
  });
  const run = interceptors.reduceRight((next, interceptor) => interceptor(next), innermost);

  return {
    method,
    answer: (headed: Omit<UnaryCall, 'signal'>, timeoutMs: number | undefined): void => {
      const { stream, url, header } = headed;
      const signal = new CallSignal();
      let timer: NodeJS.Timeout | undefined;
      let isOver = false;
      /** Then the outermost interceptor ends it, and tells of it. */
      let runs = false;
      /** The first end is the end. */
      const end = (last: () => void) => {
        if (isOver) return;
        isOver = true;
        clearTimeout(timer);
        last();
      };
      const fail = (error: unknown) =>
        end(() => {
          if (!stream.readableEnded && !stream.destroyed) dismiss(stream);
          refuse(stream, runs ? error : unread(method, headed, ConnectError.from(error)));
        });
      const stop = (text: string, code: Code) => {
        if (isOver) return;
        const reason = new ConnectError(text, code);
        signal.end(reason);
        if (!runs) fail(reason);
      };
      if (timeoutMs !== undefined)
        timer = setTimeout(() => stop('the operation timed out', Code.DeadlineExceeded), timeoutMs);
      stream.once('close', () => {
        stop('the client went away', Code.Canceled);
        clearTimeout(timer);
      });
      const came = (body: Buffer) => {
        if (isOver) return;
        const message = messageIn<M['input']>(method.input, body);
        if (!message)
          return end(() => {
            stream.once('close', () => signal.end(new ConnectError('the client went away', Code.Canceled)));
            usual({ ...headed, signal }, body);
          });
        const common = { stream: false, service: method.parent, method, requestMethod: 'POST' } as const;
        const request: UnaryRequest = {
          ...{ ...common, url, header, signal, contextValues: createContextValues() },
          message: message as UnaryRequest['message'],
        };
        runs = true;
        run(request)
          .then((response) => {
            const encoded = toBinary(method.output, response.message as MessageShape<M['output']>);
            // What was asked, and told of, lies in it.
            freeLarge(body);
            end(() => {
              send(stream, response.header, frameOf(encoded));
              if (!stream.destroyed)
                timer = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), maxTimeoutMs);
            });
          })
          .catch(fail);
      };
      readBody(stream, PREFIX + readMaxBytes, came, fail);
    },
  };
}

function readBody(
  stream: ServerHttp2Stream,
  limit: number,
  came: (body: Buffer) => void,
  fail: (error: ConnectError) => void,
): void {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= limit) return chunks.push(chunk);
    chunks.length = 0;
    const text = `message size ${size - PREFIX} is larger than configured readMaxBytes ${limit - PREFIX}`;
    return fail(new ConnectError(text, Code.ResourceExhausted));
  });
  stream.once('end', () => {
    if (size <= limit && !stream.aborted) came(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
  });
}

/** The one message of a body, undefined where it holds anything else. */
function messageIn<D extends DescMessage>(schema: D, body: Buffer): MessageShape<D> | undefined {
  const whole = body.length >= PREFIX && body[0] === 0 && body.readUInt32BE(1) === body.length - PREFIX;
  if (!whole) return undefined;
  try {
    return fromBinary(schema, body.subarray(PREFIX));
  } catch {
    return undefined;
  }
}

function frameOf(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(PREFIX + message.length);
  framed[0] = 0;
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, PREFIX);
  return framed;
}

function refuse(stream: ServerHttp2Stream, error: unknown): void {
  const trailer = new Headers();
  setTrailerStatus(trailer, ConnectError.from(error));
  spellPlainly(trailer);
  send(stream, new Headers(), undefined, trailer);
}

/** Connect spells more by percent than gRPC's rules do, and grpc-js leaves a `%3A` or `%2C` as it is. */
export function spellPlainly(trailer: Headers): void {
  const spelt = trailer.get('grpc-message');
  if (!spelt?.includes('%')) return;
  trailer.set('grpc-message', decodeURIComponent(spelt).replace(/[^ -$&-~]+/g, encodeURIComponent));
}

function send(stream: ServerHttp2Stream, header: Headers, body?: Buffer, trailer?: Headers): void {
  if (stream.destroyed || stream.closed || stream.headersSent) return;
  const trailers = trailer ? Object.fromEntries(trailer) : { 'grpc-status': '0' };
  stream.once('wantTrailers', () => stream.sendTrailers(trailers));
  stream.respond(
    { ...Object.fromEntries(header), 'content-type': 'application/grpc+proto' },
    { waitForTrailers: true },
  );
  stream.end(body);
}
