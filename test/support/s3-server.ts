import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import S3rver from '@20minutes/s3rver';

/**
 * An S3 server on loopback: s3rver, which speaks the protocol, behind a proxy that adds what s3rver
 * lacks and S3 has: `If-None-Match: *` on puts and completed uploads, objects that change all at once (one request a key
 * at a time), listings by key in pages with all folders (s3rver's come as its disk has them, and leave out folders that hold
 * only folders), and the list and the abortion of uploads in parts. The proxy can also disturb requests.
 */
export interface S3Server {
  readonly endpoint: string;
  readonly bucket: string;
  /** Uploads in parts that were begun and neither finished nor aborted. */
  readonly uploads: Map<string, { readonly key: string; initiated: Date }>;
  /** Keys and folders in one page of a listing. */
  pageSize: number;
  /** Every request so far, as `PUT /bucket/key`. */
  readonly requests: string[];
  /** Called with every request: how to disturb it, if at all. */
  disturb: (line: string) => Disturbance | undefined;
  close(): Promise<void>;
}

/** `refuse`: answered with a status. `lose`: done, but the connection closes before the answer. `cut`: half an answer. `hang`: no answer. */
export type Disturbance =
  | { readonly refuse: number; readonly code?: string }
  | 'lose'
  | 'cut'
  | 'hang'
  | 'drop';

export const S3_CREDENTIALS = { AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER' };

export async function startS3Server(): Promise<S3Server> {
  const directory = await mkdtemp(join(tmpdir(), 'foilbank-s3-'));
  const bucket = 'foils';
  const s3rver = new S3rver({
    ...{ address: '127.0.0.1', port: 0, silent: true, directory },
    configureBuckets: [{ name: bucket, configs: [] }],
    // It takes the signed path of a listing, /bucket/, for /bucket. Unknown access keys it still refuses.
    allowMismatchedSignatures: true,
  });
  const upstream = await s3rver.run();
  const state: S3Server = {
    endpoint: '',
    bucket,
    uploads: new Map(),
    requests: [],
    pageSize: 1000,
    disturb: () => undefined,
    close: async () => {
      proxy.closeAllConnections();
      await new Promise((resolve) => proxy.close(resolve));
      await s3rver.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
  const turns = new Map<string, Promise<void>>();
  const proxy: Server = createServer((incoming, outgoing) => {
    const { pathname } = new URL(incoming.url ?? '', 'http://127.0.0.1');
    const turn = (turns.get(pathname) ?? Promise.resolve())
      .then(() => serve(state, upstream.port, incoming, outgoing))
      .catch(() => void outgoing.destroy());
    turns.set(pathname, turn);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const { port } = proxy.address() as AddressInfo;
  return Object.assign(state, { endpoint: `http://127.0.0.1:${port}` });
}

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: Buffer;
}

async function serve(
  state: S3Server,
  port: number,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const line = `${incoming.method} ${incoming.url}`;
  state.requests.push(line);
  const disturbance = state.disturb(line);
  const body = await bytesOf(incoming);
  if (disturbance === 'hang') return;
  if (disturbance === 'drop') return void outgoing.destroy();
  if (typeof disturbance === 'object')
    return send(outgoing, failure(disturbance.refuse, disturbance.code ?? 'Injected'));
  const answer = await answerTo(state, port, incoming, body);
  if (disturbance === 'lose') return void outgoing.destroy();
  if (disturbance !== 'cut') return send(outgoing, answer);
  outgoing.writeHead(answer.status, answer.headers);
  await new Promise<void>((resolve) =>
    outgoing.write(answer.body.subarray(0, answer.body.length >> 1), () => resolve()),
  );
  await new Promise((resolve) => setTimeout(resolve, 20));
  outgoing.destroy();
}

async function answerTo(
  state: S3Server,
  port: number,
  incoming: IncomingMessage,
  body: Buffer,
): Promise<Answer> {
  const url = new URL(incoming.url ?? '', 'http://127.0.0.1');
  const { searchParams } = url;
  const id = searchParams.get('uploadId') ?? '';
  const whole = incoming.method === 'PUT' && id === '';
  const completed = incoming.method === 'POST' && id !== '';
  if (incoming.method === 'GET' && searchParams.has('uploads')) return uploadsOf(state, url);
  if (incoming.method === 'GET' && searchParams.has('list-type')) return listing(state, port, incoming, url);
  if (incoming.method === 'DELETE' && id !== '')
    return state.uploads.delete(id)
      ? { status: 204, headers: {}, body: Buffer.alloc(0) }
      : failure(404, 'NoSuchUpload');
  if (id !== '' && !state.uploads.has(id)) return failure(404, 'NoSuchUpload');
  if ((whole || completed) && incoming.headers['if-none-match'] === '*') {
    const there = await forward(port, 'HEAD', url.pathname, { host: incoming.headers.host }, Buffer.alloc(0));
    if (there.status !== 404) return failure(412, 'PreconditionFailed');
  }
  const answer = await forward(port, incoming.method, incoming.url, incoming.headers, body);
  const begun = /<UploadId>(.*)<\/UploadId>/.exec(answer.body.toString('latin1'))?.[1];
  if (incoming.method === 'POST' && searchParams.has('uploads') && begun)
    state.uploads.set(begun, { key: url.pathname.slice(state.bucket.length + 2), initiated: new Date() });
  if (completed && answer.status === 200) state.uploads.delete(id);
  return answer;
}

function forward(
  port: number,
  method: string | undefined,
  path: string | undefined,
  headers: IncomingMessage['headers'],
  body: Buffer,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const onward = request({ host: '127.0.0.1', port, method, path, headers, agent: false }, (answer) => {
      bytesOf(answer).then(
        (bytes) => resolve({ status: answer.statusCode ?? 500, headers: answer.headers, body: bytes }),
        reject,
      );
    });
    onward.on('error', reject);
    onward.end(body);
  });
}

function send(outgoing: ServerResponse, { status, headers, body }: Answer): void {
  const { 'transfer-encoding': _, ...kept } = headers;
  outgoing.writeHead(status, kept);
  outgoing.end(body);
}

const failure = (status: number, code: string): Answer =>
  xml(`<Error><Code>${code}</Code><Message>${code}</Message></Error>`, status);

function xml(text: string, status = 200): Answer {
  const body = Buffer.from(`<?xml version="1.0"?>${text}`);
  return { status, headers: { 'content-type': 'application/xml' }, body };
}

async function listing(state: S3Server, port: number, incoming: IncomingMessage, url: URL): Promise<Answer> {
  const value = (name: string) => url.searchParams.get(name) ?? '';
  const [prefix, delimiter, after] = [value('prefix'), value('delimiter'), value('continuation-token')];
  const all = `${url.pathname}?list-type=2&prefix=${encodeURIComponent(prefix)}`;
  const { status, body, headers } = await forward(port, 'GET', all, incoming.headers, Buffer.alloc(0));
  if (status !== 200) return { status, body, headers };
  const text = body.toString();
  if (text.includes('<IsTruncated>true')) throw new Error('more objects than the test server lists');
  const entries = new Map<string, string>();
  for (const [contents, key = ''] of text.matchAll(/<Contents>\s*<Key>(.*?)<\/Key>.*?<\/Contents>/gs)) {
    const end = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    const folder = key.slice(0, end + 1);
    if (end < 0) entries.set(key, contents);
    else entries.set(folder, `<CommonPrefixes><Prefix>${folder}</Prefix></CommonPrefixes>`);
  }
  const names = [...entries.keys()].filter((name) => name > after).sort();
  const page = names.slice(0, state.pageSize);
  const next =
    page.length < names.length ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : '';
  const found = page.map((name) => entries.get(name)).join('');
  return xml(
    `<ListBucketResult><Prefix>${prefix}</Prefix><IsTruncated>${next !== ''}</IsTruncated>${next}${found}</ListBucketResult>`,
  );
}

function uploadsOf(state: S3Server, { searchParams }: URL): Answer {
  const prefix = searchParams.get('prefix') ?? '';
  const uploads = [...state.uploads]
    .filter(([, { key }]) => key.startsWith(prefix))
    .map(
      ([id, { key, initiated }]) =>
        `<Upload><Key>${key}</Key><UploadId>${id}</UploadId><Initiated>${initiated.toISOString()}</Initiated></Upload>`,
    );
  return xml(
    `<ListMultipartUploadsResult>${uploads.join('')}<IsTruncated>false</IsTruncated></ListMultipartUploadsResult>`,
  );
}

async function bytesOf(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}
