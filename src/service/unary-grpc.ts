import type { IncomingMessage, ServerResponse } from 'node:http';
import { constants, type Http2ServerResponse } from 'node:http2';
import {
  type DescMessage,
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

/** A method with what answers it. */
export interface Unary<M extends DescMethodUnary = DescMethodUnary> {
  readonly method: M;
  answer(
    request: MessageShape<M['input']>,
    context: { readonly signal: AbortSignal },
  ): Promise<MessageShape<M['output']>>;
}

export interface UnaryGrpcOptions {
  /** Outermost first, the very ones of all other calls. */
  readonly interceptors: readonly Interceptor[];
  /** Of one message. */
  readonly readMaxBytes: number;
  readonly maxTimeoutMs: number;
}

/** A call whose headers let it in. */
export interface UnaryCall {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: string;
  readonly header: Headers;
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal;
  /** Answers what is no plain call after all, from its whole body. */
  usual(body: Buffer): void;
  /** Lets go of the rest of a body that is too large. */
  dismiss(): void;
}

type Next = Parameters<Interceptor>[0];

const TYPES = new Set(['application/grpc', 'application/grpc+proto']);
const PREFIX = 5;

/** Whether a request is gRPC as nearly all of it is: HTTP/2, protobuf, not compressed. */
export function isPlainGrpc({ httpVersionMajor, method, headers }: IncomingMessage): boolean {
  const encoding = headers['grpc-encoding'] ?? 'identity';
  return (
    httpVersionMajor === 2 &&
    method === 'POST' &&
    TYPES.has(headers['content-type'] ?? '') &&
    encoding === 'identity' &&
    headers.expect === undefined
  );
}

/**
 * Answers plain unary gRPC calls of one method. Connect handles a call as streams of streams, which for a message of half a
 * kilobyte costs far more than the lookup itself (`npm run bench -- service`); here it is one message in and one out, through the
 * same interceptors. Whatever is out of the ordinary goes Connect's way.
 */
export function unaryGrpc<M extends DescMethodUnary>(
  { method, answer }: Unary<M>,
  options: UnaryGrpcOptions,
) {
  const { interceptors, readMaxBytes, maxTimeoutMs } = options;
  const innermost: Next = async (request) => ({
    ...{ stream: false, service: method.parent, method, header: new Headers(), trailer: new Headers() },
    message: await answer(request.message as MessageShape<M['input']>, request),
  });
  const run = interceptors.reduceRight((next, interceptor) => interceptor(next), innermost);

  const reply = async (call: UnaryCall, message: MessageShape<M['input']>, signal: AbortSignal) => {
    const { url, header } = call;
    const common = { stream: false, service: method.parent, method, requestMethod: 'POST' } as const;
    const request: UnaryRequest = {
      ...{ ...common, url, header, signal, contextValues: createContextValues() },
      message: message as UnaryRequest['message'],
    };
    const response = await Promise.race([run(request), aborted(signal)]);
    const encoded = toBinary(method.output, response.message as MessageShape<M['output']>);
    send(call, response.header, frameOf(encoded));
  };

  /** @returns false for what it leaves to Connect, untouched */
  return (call: UnaryCall): boolean => {
    const { timeoutMs, error } = parseTimeout(call.header.get('grpc-timeout'), maxTimeoutMs);
    if (error) return false;
    const expiry = new AbortController();
    const expire = () => expiry.abort(new ConnectError('the operation timed out', Code.DeadlineExceeded));
    const timer = timeoutMs === undefined ? undefined : setTimeout(expire, timeoutMs);
    const signal = timer ? AbortSignal.any([call.signal, expiry.signal]) : call.signal;
    const whole = bodyOf(call.request, PREFIX + readMaxBytes);
    Promise.race([whole, aborted(signal)])
      .then((body) => {
        const message = messageIn<M['input']>(method.input, body);
        return message ? reply(call, message, signal) : call.usual(body);
      })
      .catch((failure: unknown) => {
        call.dismiss();
        refuse(call, failure);
      })
      .finally(() => clearTimeout(timer));
    return true;
  };
}

function bodyOf(request: IncomingMessage, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= limit) return chunks.push(chunk);
      chunks.length = 0;
      const text = `message size ${size - PREFIX} is larger than configured readMaxBytes ${limit - PREFIX}`;
      return reject(new ConnectError(text, Code.ResourceExhausted));
    });
    request.once('end', () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)));
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

/** Rejects once it is called off: who answers need not look at the signal himself. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

function frameOf(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(PREFIX + message.length);
  framed[0] = 0;
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, PREFIX);
  return framed;
}

function refuse(call: UnaryCall, error: unknown): void {
  const trailer = new Headers();
  setTrailerStatus(trailer, ConnectError.from(error));
  send(call, new Headers(), undefined, trailer);
}

function send({ response }: UnaryCall, header: Headers, body?: Buffer, trailer?: Headers): void {
  const { stream } = response as unknown as Http2ServerResponse;
  if (stream.destroyed || response.headersSent) return;
  response.writeHead(constants.HTTP_STATUS_OK, {
    ...Object.fromEntries(header),
    'content-type': 'application/grpc+proto',
  });
  response.addTrailers(trailer ? Object.fromEntries(trailer) : { 'grpc-status': '0' });
  response.end(body);
}
