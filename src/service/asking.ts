import type { IncomingMessage } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';

/** What a request says of who sends it and from where. */
export interface Asking {
  readonly method: string;
  /** Whole, by the authority that the request names. */
  readonly url: string;
  header(name: string): string | null | undefined;
}

/** Of a request of either protocol. */
export function askingOf(request: IncomingMessage): Asking {
  const { headers, method = 'GET', url = '/', socket } = request;
  const authority = (request as unknown as Http2ServerRequest).authority || headers.host || '';
  const scheme = 'encrypted' in socket && socket.encrypted ? 'https' : 'http';
  return {
    ...{ method, url: `${scheme}://${authority}${url}` },
    header: (name) => {
      const value = headers[name];
      return Array.isArray(value) ? value.join(', ') : value;
    },
  };
}

/** Node 20 has no `URL.parse`. */
export function parsedUrl(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}
