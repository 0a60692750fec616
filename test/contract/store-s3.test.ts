import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { S3Store } from '../../src/bank/index.js';
import { S3_CREDENTIALS, type S3Server, startS3Server } from '../support/s3-server.js';
import { describeStore } from './store.js';

let server: S3Server;
let cache: string;
let opened = 0;

beforeAll(async () => {
  Object.assign(process.env, S3_CREDENTIALS);
  server = await startS3Server();
  cache = await mkdtemp(join(tmpdir(), 'foilbank-copies-'));
});
afterAll(async () => {
  await server.close();
  await rm(cache, { recursive: true, force: true });
});

describeStore('an S3 bucket', async () => {
  const { bucket, endpoint } = server;
  const options = { bucket, endpoint, pathStyle: true, cache, prefix: `some/prefix-${++opened}` };
  return { store: new S3Store(options), beside: new S3Store(options), close: async () => {} };
});

describeStore('an S3 bucket without a prefix', async () => {
  const { endpoint, bucket } = server;
  const options = { bucket, endpoint, pathStyle: true, cache, prefix: '' };
  const store = new S3Store(options);
  for (const { key } of await store.list('')) await store.remove(key);
  return { store, beside: new S3Store(options), close: async () => {} };
});
