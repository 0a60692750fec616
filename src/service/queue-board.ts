import type { IncomingMessage, ServerResponse } from 'node:http';
import { askingOf } from './asking.js';
import type { Door } from './door.js';
import { lazily } from './lazily.js';
import { refusal, send } from './pages.js';
import type { QueueDoor } from './queue-door.js';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Where the board lies. */
const BASE = '/studio/queues';

/** As the studio's own, but for styles that its page has inline and its base address. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "font-src 'self'",
  "base-uri 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** bull-board over both queues, for those who may administer. It is loaded, as Redis is asked, when it is first looked at. */
export function queueBoard(door: Door, queues: QueueDoor): Handler {
  const board = lazily(() => openBoard(queues));
  const show = async (request: IncomingMessage, response: ServerResponse) => {
    response.setHeader('content-security-policy', POLICY);
    try {
      door.admit(askingOf(request), 'admin');
      const handle = await board();
      handle(request, response);
    } catch (error) {
      request.resume();
      send(request, response, refusal(error));
    }
  };
  return (request, response) => void show(request, response);
}

/** @throws FoilbankError as `QueueDoor.open` */
async function openBoard(queues: QueueDoor): Promise<Handler> {
  const { generate, publish } = await queues.open();
  const [{ createBullBoard }, { BullMQAdapter }, { HonoAdapter }] = await Promise.all([
    import('@bull-board/api'),
    import('@bull-board/api/bullMQAdapter'),
    import('@bull-board/hono'),
  ]);
  const [{ Hono }, { getRequestListener }, { serveStatic }] = await Promise.all([
    import('hono'),
    import('@hono/node-server'),
    import('@hono/node-server/serve-static'),
  ]);
  const adapter = new HonoAdapter(serveStatic);
  adapter.setBasePath(BASE);
  createBullBoard({
    queues: [publish, generate].map((queue) => new BullMQAdapter(queue)),
    serverAdapter: adapter,
    options: { uiConfig: { boardTitle: 'Foilbank queues' } },
  });
  // With and without a slash at its end.
  const app = new Hono({ strict: false }).route(BASE, adapter.registerPlugin());
  const own = async (request: Request) => withoutForeignStyles(await app.fetch(request));
  const listener = getRequestListener(own, { overrideGlobalObjects: false });
  return (request, response) => void listener(request, response);
}

/** The page asks another host for its font, which the policy would refuse with an error in the console: it is not asked. */
async function withoutForeignStyles(response: Response): Promise<Response> {
  if (!response.headers.get('content-type')?.startsWith('text/html')) return response;
  const page = await response.text();
  return new Response(page.replace(/<link href="https:[^>]*>/g, ''), response);
}
