import type { EventEmitter } from 'node:events';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { constants, type Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { DescMethod } from '@bufbuild/protobuf';
import {
  Code,
  ConnectError,
  type ConnectRouter,
  type ConnectRouterOptions,
  type ContextKey,
  createConnectRouter,
  createContextKey,
  createContextValues,
} from '@connectrpc/connect';
import type {
  UniversalHandler,
  UniversalServerRequest,
  UniversalServerResponse,
} from '@connectrpc/connect/protocol';
import { codeFromHttpStatus } from '@connectrpc/connect/protocol-connect';
import {
  compressionBrotli,
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from '@connectrpc/connect-node';
import type { Headed } from './entrance.js';
import type { StreamTaker } from './listener.js';
import { spellPlainly, type Unary, unaryGrpc } from './unary-grpc.js';

type Request = IncomingMessage | Http2ServerRequest;
type Response = ServerResponse | Http2ServerResponse;

export interface RpcHandlerOptions extends ConnectRouterOptions {
  routes(router: ConnectRouter): void;
  /**
   * Asked when a request's headers are there, and nothing else of it.
   *
   * @returns the answer to one who may not come in; undefined for all others
   */
  entrance(method: DescMethod, request: Headed): ConnectError | undefined;
  /** Told of a request that could not be read, which interceptors never see. @returns the answer with its headers */
  unread(method: DescMethod, request: Headed, error: ConnectError): ConnectError;
  /** What is no RPC. */
  fallback(request: IncomingMessage, response: ServerResponse): void;
  onDefect(error: unknown): void;
  /** Methods that many call, to be answered without Connect's streams where a call is plain gRPC. */
  readonly unary?: readonly Unary[];
}

/** Milliseconds that the rest of a refused request may still come, and is thrown away, while its sender reads the answer. */
const LINGER_MS = 1000;

/** Of a request that was refused at the entrance: interceptors let it through to its end. */
export const REFUSAL: ContextKey<ConnectError | undefined> = createContextKey<ConnectError | undefined>(
  undefined,
);

/** Of a request that interceptors saw. */
export const SEEN: ContextKey<boolean> = createContextKey(false);

export interface RpcHandler {
  readonly handler: RequestListener;
  /** Takes what it can answer without a request and a response of Node's. */
  readonly take: StreamTaker;
}

/**
 * RPCs on Node's servers. Connect's own adapter reads and decodes a request before anybody is asked whether it may come in;
 * here that is decided by its headers, and the body of one that may not is never read.
 */
export function rpcHandler(options: RpcHandlerOptions): RpcHandler {
  const { routes, entrance, unread, fallback, onDefect, unary = [], ...router } = options;
  const connect = createConnectRouter({ acceptCompression: [compressionGzip, compressionBrotli], ...router });
  routes(connect);
  const handlers = new Map(connect.handlers.map((handler) => [handler.requestPath, handler]));
  const { interceptors = [], readMaxBytes = 0xffffffff, maxTimeoutMs = 0x7fffffff } = router;
  const take = unaryGrpc({
    ...{ unary, interceptors, readMaxBytes, maxTimeoutMs, entrance, unread },
    dismiss: (stream) => afterLinger(stream, () => stream.close(constants.NGHTTP2_NO_ERROR)),
    usual: ({ path, stream, method, url, header, signal }, body) => {
      const common = { httpVersion: '2.0', method, url, header, signal };
      const asked = { ...common, body: once(body), contextValues: createContextValues() };
      answerBy(handlers.get(path)!, asked, new Http2ServerResponse(stream));
    },
  });
  const handler: RequestListener = (request, response) => {
    const rpc = handlers.get((request.url ?? '').split('?', 1)[0] ?? '');
    if (!rpc) return fallback(request, response);
    let asked: UniversalServerRequest;
    try {
      asked = universalRequestFromNodeRequest(request, response, undefined, createContextValues());
    } catch {
      // No host, or one that makes no address.
      return misaddressed(response);
    }
    const refusal = entrance(rpc.method, asked);
    if (refusal) {
      asked = refused(asked, refusal);
      dismiss(request);
    } else if (request.headers.expect !== undefined) response.writeContinue();
    answerBy(rpc, asked, response);
  };
  return { handler, take };

  function answerBy(handler: UniversalHandler, asked: UniversalServerRequest, response: Response): void {
    handler(asked)
      .then((answer) => {
        if (handler.method.methodKind === 'unary') cutLate(response, maxTimeoutMs);
        const { contextValues, method } = asked;
        const isKnown = contextValues?.get(SEEN) || contextValues?.get(REFUSAL);
        const marked = isKnown ? answer : withHeaders(answer, unread(handler.method, asked, errorOf(answer)));
        return universalResponseToNodeResponse(told(marked, method), response);
      })
      // The client went away.
      .catch((error: unknown) => {
        if (!(error instanceof ConnectError)) onDefect(error);
      });
  }
}

/** Who has not read a reply when every deadline is over reads it no more, and it would lie in memory for ever. */
function cutLate(response: Response, milliseconds: number): void {
  if ('stream' in response ? response.stream.destroyed : response.destroyed) return;
  const timer = setTimeout(() => {
    if ('stream' in response) response.stream.close(constants.NGHTTP2_CANCEL);
    else response.socket?.destroy();
  }, milliseconds);
  response.once('close', () => clearTimeout(timer));
}

/** What Connect made of a request that it could not read: no defect of ours, though gRPC has rubbish answered as internal. */
function errorOf({ status, trailer }: UniversalServerResponse): ConnectError {
  const code = status === 200 ? Number(trailer?.get('grpc-status')) : codeFromHttpStatus(status);
  const told = code && code !== Code.Internal ? code : Code.InvalidArgument;
  return new ConnectError('the request could not be read', told);
}

function withHeaders(answer: UniversalServerResponse, { metadata }: ConnectError): UniversalServerResponse {
  const header = new Headers(answer.header);
  for (const [name, value] of metadata) header.set(name, value);
  return { ...answer, header };
}

/** Of what Connect answers by a status alone. */
const WORDS: Readonly<Record<number, string>> = {
  405: 'RPCs take POST, and GET where nothing changes\n',
  415: 'RPCs take content-type: application/json, application/proto, application/grpc or application/grpc-web\n',
};

/** The same answer, in words. */
function told(answer: UniversalServerResponse, method: string): UniversalServerResponse {
  const { status, header, body, trailer } = answer;
  const words = WORDS[status];
  if (!body && words && method !== 'HEAD') {
    const typed = new Headers(header);
    typed.set('content-type', 'text/plain');
    return { ...answer, header: typed, body: once(Buffer.from(words)) };
  }
  if (!body || !trailer) return answer;
  return { ...answer, body: spelling(body, trailer) };
}

/** Trailers are whole once the body was read. */
async function* spelling(body: AsyncIterable<Uint8Array>, trailer: Headers): AsyncIterable<Uint8Array> {
  yield* body;
  spellPlainly(trailer);
}

async function* once(body: Buffer): AsyncIterable<Uint8Array> {
  yield body;
}

/** The same request, so that it is answered in its own protocol, with a body that breaks off with the answer. */
function refused(request: UniversalServerRequest, refusal: ConnectError): UniversalServerRequest {
  const type = request.method === 'GET' ? 'application/json' : request.header.get('content-type');
  return {
    ...request,
    method: 'POST',
    header: new Headers(type === null ? {} : { 'content-type': type }),
    body: { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(refusal) }) },
    contextValues: createContextValues().set(REFUSAL, refusal),
  };
}

/** Cuts off what has not come in whole soon after it was refused. */
function dismiss(request: Request): void {
  afterLinger(request, () => {
    if ('stream' in request) request.stream.close(constants.NGHTTP2_NO_ERROR);
    else if (!request.complete) request.socket.destroy();
  });
}

function afterLinger(sender: EventEmitter, cut: () => void): void {
  const timer = setTimeout(cut, LINGER_MS);
  sender.once('end', () => clearTimeout(timer));
  sender.once('close', () => clearTimeout(timer));
}

function misaddressed(response: Response): void {
  const body = 'the request names no host, or none that there can be\n';
  const head = { 'content-type': 'text/plain', 'content-length': Buffer.byteLength(body) };
  (response as ServerResponse).writeHead(400, head).end(body);
}
