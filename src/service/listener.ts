import {
  createServer as createHttp1,
  type Server as Http1Server,
  type IncomingHttpHeaders,
  type RequestListener,
  type ServerResponse,
} from 'node:http';
import {
  constants,
  createServer as createHttp2,
  createSecureServer,
  type IncomingHttpHeaders as Http2Headers,
  type Http2SecureServer,
  type Http2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import { type AddressInfo, createServer as createTcp, type Server, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { FoilbankError, reasonOf } from '../errors.js';
import { sniff } from './sniff.js';

export interface TlsFiles {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** Authority of the clients' certificates: given, nobody gets in without one. */
  readonly clientCa?: Buffer | undefined;
}

/** @returns false for a stream that it leaves to others, untouched */
export type StreamTaker = (stream: ServerHttp2Stream, headers: Http2Headers) => boolean;

export interface ListenerSettings {
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
  readonly tls?: TlsFiles | undefined;
  /** Also told of requests that wait to be told to go on (`expect: 100-continue`). */
  readonly handler: RequestListener;
  /** Asked first for every HTTP/2 stream: what it takes costs no request and response of Node's. */
  readonly take: StreamTaker;
  /** Milliseconds within which a client must have said what it speaks, and sent a whole request. */
  readonly patience: number;
}

export interface Listener {
  readonly url: string;
  /** Takes no new connection and no new request, waits for those under way, and cuts what is left after `milliseconds`. */
  close(milliseconds: number): Promise<void>;
}

const HTTP2 = {
  settings: { maxConcurrentStreams: 256, maxHeaderListSize: 16_384, enablePush: false },
  maxSessionInvalidFrames: 100,
  maxSessionRejectedStreams: 100,
  maxSessionMemory: 64,
  maxSettings: 32,
};
const MAX_CONNECTIONS = 4096;
/** Silence after which the kernel asks whether a peer is still there. */
const KEEP_ALIVE_MS = 60_000;

/**
 * One port for HTTP/2 and HTTP/1.1: with TLS by ALPN, without it by a connection's first bytes.
 *
 * @throws FoilbankError FB_PORT_UNAVAILABLE, FB_TLS_INVALID
 */
export async function openListener(settings: ListenerSettings): Promise<Listener> {
  const { host, port, tls, take, patience } = settings;
  const sockets = new Set<Socket>();
  const sessions = new Set<ServerHttp2Session>();
  const open: Open = { others: new Map(), talks: new Set(), answering: new Map(), closing: false };
  const handler = guarded(settings.handler, patience, open);
  const times = { headersTimeout: patience, requestTimeout: patience, keepAliveTimeout: 65_000 };
  const limits = { connectionsCheckingInterval: 1000, maxHeaderSize: 16_384 };
  const both = handler as unknown as (request: Http2ServerRequest, response: Http2ServerResponse) => void;
  let http1: Http1Server | undefined;
  let server: Server;
  if (tls) {
    const { cert, key, clientCa } = tls;
    try {
      const mutual = clientCa ? { ca: clientCa, requestCert: true, rejectUnauthorized: true } : {};
      const options = { ...HTTP2, ...mutual, cert, key, allowHTTP1: true, minVersion: 'TLSv1.2' as const };
      const secure = createSecureServer({ ...options, handshakeTimeout: patience }, both);
      // The HTTP/1.1 side of it takes these from its own fields.
      Object.assign(secure, times, limits);
      secure.on('secureConnection', (socket: TLSSocket) => {
        if (socket.alpnProtocol === 'h2') open.others.delete(peerOf(socket));
        else open.others.set(peerOf(socket), socket);
      });
      secure.on('checkContinue', both);
      offerFirst(secure, take, patience);
      track(secure, sessions);
      server = secure;
    } catch (error) {
      throw new FoilbankError('FB_TLS_INVALID', { reason: reasonOf(error) }, { cause: error });
    }
  } else {
    const http2 = createHttp2(HTTP2, both);
    http2.on('checkContinue', both);
    offerFirst(http2, take, patience);
    track(http2, sessions);
    http1 = createHttp1({ ...times, ...limits }, handler);
    http1.on('checkContinue', handler);
    // It never listens itself, and only then begins to watch over its connections' times.
    http1.emit('listening');
    const plain = http1;
    server = createTcp((socket) =>
      sniff(socket, patience, (isHttp2) => {
        if (isHttp2) open.others.delete(peerOf(socket));
        (isHttp2 ? http2 : plain).emit('connection', socket);
      }),
    );
  }
  server.maxConnections = MAX_CONNECTIONS;
  server.on('connection', (socket: Socket) => {
    const peer = peerOf(socket);
    sockets.add(socket);
    open.others.set(peer, socket);
    socket.once('close', () => {
      sockets.delete(socket);
      open.others.delete(peer);
    });
    // A peer that vanished, with its network say, never closes: it would keep its place for ever.
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    // What a client does to its connection is no fault of the process.
    socket.on('error', () => socket.destroy());
  });
  await listen(server, host, port);
  const address = server.address() as AddressInfo;
  const name = host.includes(':') ? `[${host}]` : host;
  return {
    url: `${tls ? 'https' : 'http'}://${name}:${address.port}`,
    close: (milliseconds) =>
      new Promise((resolve) => {
        const cut = setTimeout(() => {
          for (const socket of sockets) socket.destroy();
        }, milliseconds);
        server.close(() => {
          clearTimeout(cut);
          resolve();
        });
        for (const session of sessions) session.close();
        for (const stream of open.talks) stream.close(constants.NGHTTP2_NO_ERROR);
        open.closing = true;
        for (const socket of open.others.values()) if (!open.answering.has(socket)) socket.destroy();
        for (const response of open.answering.values())
          if (!response.headersSent) response.setHeader('connection', 'close');
        http1?.close();
        http1?.closeIdleConnections();
      }),
  };
}

/** What a listener that closes need not wait for, and what it must. */
interface Open {
  /** Connections that are not HTTP/2, or have not said so yet, by their peers. */
  readonly others: Map<string, Socket>;
  /** Streams that end when their client says so: reflection's. */
  readonly talks: Set<ServerHttp2Stream>;
  /** Connections of HTTP/1.1 with a request under way. */
  readonly answering: Map<Socket, ServerResponse>;
  closing: boolean;
}

/** Known of a connection before it is encrypted and after. */
const peerOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;

function track(
  server: {
    on(event: 'session', on: (session: ServerHttp2Session) => void): unknown;
    on(event: 'sessionError', on: () => void): unknown;
  },
  sessions: Set<ServerHttp2Session>,
): void {
  server.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
    session.on('error', () => session.destroy());
  });
  server.on('sessionError', () => {});
}

/** Node makes requests and responses of streams in listeners of its own, which get what nobody took. */
function offerFirst(server: Http2Server | Http2SecureServer, take: StreamTaker, patience: number): void {
  const usual = server.listeners('stream');
  server.removeAllListeners('stream');
  server.on('stream', (stream, headers, ...rest) => {
    if (take(stream, headers)) cutSlow(stream, stream, patience);
    else for (const listener of usual) listener.call(server, stream, headers, ...rest);
  });
}

/** HTTP/2 has no time limit for a request's body: whoever sends it drop by drop is cut off. */
function cutSlow(stream: ServerHttp2Stream, body: NodeJS.EventEmitter, patience: number): void {
  const timer = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), patience);
  body.once('end', () => clearTimeout(timer));
  stream.once('close', () => clearTimeout(timer));
}

function guarded(handler: RequestListener, patience: number, open: Open): RequestListener {
  const { talks, answering } = open;
  return (request, response) => {
    if (request.httpVersionMajor === 1) {
      const { socket } = request;
      answering.set(socket, response);
      response.once('close', () => {
        answering.delete(socket);
        if (open.closing) socket.end();
      });
    } else {
      const { stream } = request as unknown as Http2ServerRequest;
      // Both ways at once, as reflection talks, cannot be told from a body that does not end.
      if (request.url?.startsWith('/grpc.reflection.')) {
        talks.add(stream);
        stream.once('close', () => talks.delete(stream));
      } else cutSlow(stream, request, patience);
    }
    clampDeadlines(request.headers);
    request.on('error', () => {});
    response.on('error', () => {});
    handler(request, response);
  };
}

/** The longest that a timer of Node's holds: a longer one ends at once. */
const LONGEST_MS = 2 ** 31 - 1;
const UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000 };

/** Deadlines that no timer can hold become the longest that one can, which is above every limit that may be set. */
function clampDeadlines(headers: IncomingHttpHeaders): void {
  const [, count, unit = ''] = /^(\d{1,8})([HMS])$/.exec(String(headers['grpc-timeout'])) ?? [];
  if (Number(count) * UNITS[unit]! > LONGEST_MS)
    headers['grpc-timeout'] = `${Math.floor(LONGEST_MS / 1000)}S`;
  const milliseconds = headers['connect-timeout-ms'];
  if (/^\d{1,10}$/.test(String(milliseconds)) && Number(milliseconds) > LONGEST_MS)
    headers['connect-timeout-ms'] = String(LONGEST_MS);
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) =>
      reject(
        new FoilbankError('FB_PORT_UNAVAILABLE', { host, port, reason: reasonOf(error) }, { cause: error }),
      ),
    );
    server.listen(port, host, () => resolve());
  });
}
