import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from '../log.js';
import type { Door } from './door.js';
import { send } from './pages.js';
import { queueBoard } from './queue-board.js';
import type { QueueDoor } from './queue-door.js';
import { sessionPages } from './session-pages.js';
import { studioFiles } from './studio-files.js';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Nothing but what this server itself gives out; pictures also from memory. Pages are in nobody's frame and send nothing elsewhere. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  "connect-src 'self'",
  "font-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()',
};

export interface StudioInputs {
  /** Of the pages, built: `index.html` and what it needs. */
  readonly folder: string;
  readonly door: Door;
  readonly queues: QueueDoor;
  readonly log: Logger;
}

/** What lies below `/studio/`: its pages, a browser's session, the board of the queues. @returns whether the request was for it */
export function studio({
  folder,
  door,
  queues,
  log,
}: StudioInputs): (...both: Parameters<Handler>) => boolean {
  const files = studioFiles(folder, log);
  const session = sessionPages(door, log);
  const board = queueBoard(door, queues);
  return (request, response) => {
    const path = (request.url ?? '').split('?')[0] ?? '';
    if (path !== '/' && path !== '/studio' && !path.startsWith('/studio/')) return false;
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    if (path === '/studio/queues' || path.startsWith('/studio/queues/')) {
      board(request, response);
      return true;
    }
    // A body says nothing here. Read to its end, a request is no longer one that the listener's patience cuts off.
    request.resume();
    if (path === '/studio/session') session(request, response);
    else if (request.method !== 'GET' && request.method !== 'HEAD')
      send(request, response, { status: 405, type: 'text/plain', body: 'GET or HEAD\n' });
    else if (path.startsWith('/studio/')) files(request, response);
    else {
      response.setHeader('location', '/studio/');
      send(request, response, { status: 302, type: 'text/plain', body: 'the studio is at /studio/\n' });
    }
    return true;
  };
}
