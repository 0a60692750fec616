import { create } from '@bufbuild/protobuf';
import { type Client, ConnectError, createClient, type Interceptor } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import {
  BankService,
  type Embedding,
  EmbeddingSchema,
  type ErrorDetail,
  ErrorDetailSchema,
  FaceService,
  GalleryService,
  SupportService,
} from './gen/index.js';
import { VERSION } from './version.js';

/** The typed client of a Foilbank server, and the messages of its contract. */
export * from './gen/index.js';

export interface ClientOptions {
  /** For example https://foilbank.example:8443. */
  readonly baseUrl: string;
  /** As `foilbank keys create` told it. */
  readonly apiKey?: string;
  /** Default `grpc`. `connect` takes JSON or binary over HTTP/1.1 or 2. */
  readonly protocol?: 'grpc' | 'grpc-web' | 'connect';
  /** Milliseconds that a call may take, default 30,000. */
  readonly timeoutMs?: number;
  /**
   * Told once, in words, when the server is of another version (major or minor) than this client: update the older one. Default:
   * a warning of the process.
   */
  readonly onWarning?: (warning: string) => void;
  /** For Node's TLS: the server's authority, or a client certificate. */
  readonly tls?: {
    readonly ca?: string | Buffer;
    readonly cert?: string | Buffer;
    readonly key?: string | Buffer;
  };
}

export interface FoilbankClient {
  readonly support: Client<typeof SupportService>;
  readonly bank: Client<typeof BankService>;
  readonly face: Client<typeof FaceService>;
  readonly gallery: Client<typeof GalleryService>;
}

export function createFoilbankClient(options: ClientOptions): FoilbankClient {
  const { baseUrl, apiKey, protocol = 'grpc', timeoutMs: defaultTimeoutMs = 30_000, tls } = options;
  const authorised: Interceptor = (next) => (request) => {
    if (apiKey !== undefined) request.header.set('authorization', `Bearer ${apiKey}`);
    return next(request);
  };
  const common = {
    ...{ baseUrl, defaultTimeoutMs, httpVersion: '2' as const },
    interceptors: [authorised, watchingVersions(options.onWarning ?? ((text) => process.emitWarning(text)))],
    ...(tls ? { nodeOptions: tls } : {}),
  };
  const transport =
    protocol === 'grpc'
      ? createGrpcTransport(common)
      : protocol === 'grpc-web'
        ? createGrpcWebTransport(common)
        : createConnectTransport(common);
  return {
    support: createClient(SupportService, transport),
    bank: createClient(BankService, transport),
    face: createClient(FaceService, transport),
    gallery: createClient(GalleryService, transport),
  };
}

const released = (version: string) => version.split('.').slice(0, 2).join('.');

/** Looks at the version that the first answer names, be it an error. */
function watchingVersions(warn: (text: string) => void): Interceptor {
  let known = false;
  const look = (headers: Headers) => {
    const server = headers.get('foilbank-version');
    if (known || server === null) return;
    known = true;
    if (released(server) !== released(VERSION))
      warn(`the Foilbank server is of version ${server}, this client of ${VERSION}: update the older one`);
  };
  return (next) => async (request) => {
    try {
      const response = await next(request);
      look(response.header);
      return response;
    } catch (error) {
      if (error instanceof ConnectError) look(error.metadata);
      throw error;
    }
  };
}

/** An embedding as it travels: 4 bytes a value. */
export function packEmbedding(values: Float32Array): Embedding {
  return create(EmbeddingSchema, {
    packed: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  });
}

/** The values of an embedding that was sent packed. */
export function unpackEmbedding({ packed, values }: Embedding): Float32Array {
  return packed.length > 0 ? new Float32Array(new Uint8Array(packed).buffer) : Float32Array.from(values);
}

/** Code, remedy and values of an error that Foilbank itself answered with; undefined for any other. */
export function errorDetailOf(error: unknown): ErrorDetail | undefined {
  return error instanceof ConnectError ? error.findDetails(ErrorDetailSchema)[0] : undefined;
}
