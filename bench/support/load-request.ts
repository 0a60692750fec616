import type { ClientHttp2Session } from 'node:http2';
import { create, fromBinary, toBinary, toJsonString } from '@bufbuild/protobuf';
import {
  EstimateDiscrepancyRequestSchema,
  EstimateDiscrepancyResponseSchema,
  packEmbedding,
} from '../../src/client.js';
import type { UnitMatrix } from '../../src/vectors/index.js';

/** gRPC with protobuf, or Connect with JSON. */
export type Protocol = 'grpc' | 'connect';

export const PATH = '/foilbank.v1.SupportService/EstimateDiscrepancy';

export const headersOf = (protocol: Protocol): Record<string, string> => ({
  'content-type': protocol === 'grpc' ? 'application/grpc+proto' : 'application/json',
  ...(protocol === 'grpc' ? { te: 'trailers' } : { 'connect-protocol-version': '1' }),
});

const REQUESTS = Object.fromEntries(
  (['grpc', 'connect'] as const).map((protocol) => [
    protocol,
    { ':method': 'POST', ':path': PATH, ...headersOf(protocol) },
  ]),
);

/** The bytes of a request for r and σ of these embeddings, made beforehand: a client that encodes and decodes costs as much as the server. */
export function bodyOf(protocol: Protocol, embeddings: UnitMatrix, k: number): Buffer {
  const request = create(EstimateDiscrepancyRequestSchema, {
    lookup: { k },
    embeddings: Array.from({ length: embeddings.rows }, (_, row) => packEmbedding(embeddings.row(row))),
  });
  if (protocol === 'connect') return Buffer.from(toJsonString(EstimateDiscrepancyRequestSchema, request));
  const message = toBinary(EstimateDiscrepancyRequestSchema, request);
  const framed = Buffer.alloc(5 + message.length);
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, 5);
  return framed;
}

/** The reply's body, undefined where the call failed. */
export function ask(
  session: ClientHttp2Session,
  protocol: Protocol,
  body: Buffer,
): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const stream = session.request(REQUESTS[protocol]);
    const chunks: Buffer[] = [];
    let ok = false;
    stream.on('response', (got) => {
      ok = got[':status'] === 200 && (protocol !== 'grpc' || (got['grpc-status'] ?? '0') === '0');
    });
    stream.on('trailers', (got) => {
      ok &&= (got['grpc-status'] ?? '0') === '0';
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', () => resolve(undefined));
    stream.on('close', () => resolve(ok ? Buffer.concat(chunks) : undefined));
    stream.end(body);
  });
}

/** Whether a reply is what was asked for: r and σ of so many. */
export function holds(protocol: Protocol, reply: Buffer | undefined, embeddings: number): reply is Buffer {
  if (!reply) return false;
  const { length } =
    protocol === 'grpc'
      ? fromBinary(EstimateDiscrepancyResponseSchema, reply.subarray(5)).discrepancies
      : (JSON.parse(reply.toString()) as { discrepancies: unknown[] }).discrepancies;
  return length === embeddings;
}
