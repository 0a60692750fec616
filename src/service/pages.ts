import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Registry } from 'prom-client';
import { FoilbankError, reasonOf } from '../errors.js';
import { askingOf } from './asking.js';
import type { Door } from './door.js';

/** Whether requests are taken, and why not; notes are what an operator should know although they are. */
export interface Readiness {
  readonly ready: boolean;
  readonly reasons: readonly string[];
  readonly notes: readonly string[];
}

export interface Page {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** `/livez` and `/readyz` for probes, `/metrics` for those whose key or session may read; for everything else 404. */
export function pages(
  readiness: () => Readiness,
  registry: Registry,
  door: Door,
): (request: IncomingMessage, response: ServerResponse) => void {
  const byPath: Readonly<Record<string, (request: IncomingMessage) => Promise<Page>>> = {
    '/livez': async () => ({ status: 200, type: 'text/plain', body: 'ok\n' }),
    '/readyz': async () => {
      const now = readiness();
      return { status: now.ready ? 200 : 503, type: 'application/json', body: `${JSON.stringify(now)}\n` };
    },
    '/metrics': async (request) => {
      door.admit(askingOf(request), 'read');
      return { status: 200, type: registry.contentType, body: await registry.metrics() };
    },
  };
  return (request, response) => {
    const path = (request.url ?? '').split('?')[0] ?? '';
    const page = Object.hasOwn(byPath, path) ? byPath[path] : undefined;
    const reads = request.method === 'GET' || request.method === 'HEAD';
    const answer = (one: Page) => send(request, response, one);
    if (!page || !reads) {
      const [status, body] = page ? [405, 'GET or HEAD\n'] : [404, 'not found\n'];
      return answer({ status, body, type: 'text/plain' });
    }
    page(request).then(answer, (error: unknown) => answer(refusal(error)));
  };
}

export function send(request: IncomingMessage, response: ServerResponse, { status, type, body }: Page): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(request.method === 'HEAD' ? undefined : body);
}

const STATUS: Readonly<Record<string, number>> = {
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  RESOURCE_EXHAUSTED: 429,
  FAILED_PRECONDITION: 503,
  UNAVAILABLE: 503,
};

/** What was thrown, as a page tells it. */
export function refusal(error: unknown): Page {
  const type = 'application/json';
  if (!(error instanceof FoilbankError)) return { status: 500, type, body: `${reasonOf(error)}\n` };
  const { code, message, remedy } = error;
  return {
    status: STATUS[error.status] ?? 500,
    type,
    body: `${JSON.stringify({ code, message, remedy })}\n`,
  };
}
