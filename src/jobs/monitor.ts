import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import { FoilbankError, reasonOf } from '../errors.js';

export interface MonitorSettings {
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
  readonly registry: Registry;
  /** What keeps this process from doing its work now; nothing when it is ready. */
  readonly unready: () => Promise<readonly string[]>;
}

export interface Monitor {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Serves `/livez` (the event loop turns), `/readyz` (200, or 503 with reasons) and `/metrics` (Prometheus text).
 *
 * @throws FoilbankError FB_PORT_UNAVAILABLE
 */
export async function openMonitor({ host, port, registry, unready }: MonitorSettings): Promise<Monitor> {
  const pages: Readonly<Record<string, () => Promise<{ status: number; type: string; body: string }>>> = {
    '/livez': async () => ({ status: 200, type: 'text/plain', body: 'ok\n' }),
    '/readyz': async () => {
      const reasons = await unready().catch((error: unknown) => [reasonOf(error)]);
      const status = reasons.length === 0 ? 200 : 503;
      return {
        status,
        type: 'application/json',
        body: `${JSON.stringify({ ready: status === 200, reasons })}\n`,
      };
    },
    '/metrics': async () => ({ status: 200, type: registry.contentType, body: await registry.metrics() }),
  };
  const server = createServer((request, response) => {
    const page =
      request.method === 'GET' || request.method === 'HEAD'
        ? pages[(request.url ?? '').split('?')[0] ?? '']
        : undefined;
    if (!page) {
      response.writeHead(404).end('not found\n');
      return;
    }
    page().then(
      ({ status, type, body }) => response.writeHead(status, { 'content-type': type }).end(body),
      (error: unknown) => response.writeHead(500).end(`${reasonOf(error)}\n`),
    );
  });
  await listen(server, host, port);
  const address = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) =>
      reject(
        new FoilbankError('FB_PORT_UNAVAILABLE', { host, port, reason: reasonOf(error) }, { cause: error }),
      ),
    );
    server.listen(port, host, resolve);
  });
}
