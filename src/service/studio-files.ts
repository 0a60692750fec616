import { existsSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { Logger } from '../log.js';
import { lazily } from './lazily.js';
import { refusal, send } from './pages.js';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Where the pages lie. */
const BASE = '/studio';

/**
 * The studio's built pages. Names below `assets/` have a hash in them and never change what they name; all other files are asked
 * for anew each time, by a hash of what is in them: an installed package's files all bear the same date.
 *
 * @param folder with an `index.html`, and beside a file perhaps its compressed copies
 */
export function studioFiles(folder: string, log: Logger): Handler {
  const files = lazily(() => openFiles(folder, log));
  const give = async (request: IncomingMessage, response: ServerResponse) => {
    try {
      if (existsSync(join(folder, 'index.html'))) (await files())(request, response);
      else send(request, response, UNBUILT);
    } catch (error) {
      send(request, response, refusal(error));
    }
  };
  return (request, response) => void give(request, response);
}

const UNBUILT = { status: 404, type: 'text/plain', body: 'the studio is not built: npm run build:web\n' };

/** The library is loaded by the first browser: a server that none visits does without. */
async function openFiles(folder: string, log: Logger): Promise<Handler> {
  const [{ Hono }, { etag }, { getRequestListener }, { serveStatic }] = await Promise.all([
    import('hono'),
    import('hono/etag'),
    import('@hono/node-server'),
    import('@hono/node-server/serve-static'),
  ]);
  const app = new Hono();
  app.use(etag());
  app.use(async (context, next) => {
    const forever = context.req.path.startsWith(`${BASE}/assets/`);
    await next();
    if (context.res.ok)
      context.header('cache-control', forever ? 'public, max-age=31536000, immutable' : 'no-cache');
  });
  const inFolder = (path: string) => path.slice(BASE.length);
  app.use(serveStatic({ root: folder, rewriteRequestPath: inFolder, precompressed: true }));
  app.notFound((context) => context.text('not found\n', 404));
  app.onError((error, context) => {
    log.error({ err: error }, 'defect');
    return context.text('this is a defect of the server; its log says more\n', 500);
  });
  const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  return (request, response) => void listener(request, response);
}
