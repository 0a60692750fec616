import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { FoilbankError } from '../../../src/errors.js';
import { resolveRedis } from '../../../src/jobs/connection.js';

const folder = mkdtempSync(join(tmpdir(), 'foilbank-connection-'));
afterAll(() => rmSync(folder, { recursive: true }));

const of = (REDIS_URL: string, more: Record<string, string> = {}) => resolveRedis({ REDIS_URL, ...more });

function failure(work: () => unknown): FoilbankError {
  try {
    work();
  } catch (error) {
    if (error instanceof FoilbankError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('REDIS_URL', () => {
  it('is not needed: without it there is no queue', () => {
    for (const env of [{}, { REDIS_URL: '' }, { REDIS_URL: '  ' }]) expect(resolveRedis(env)).toBeUndefined();
  });

  it('names a host; everything else has a default', () => {
    expect(of('redis://queue')).toEqual({
      where: 'queue:6379',
      prefix: '{foilbank}',
      nodes: [{ host: 'queue', port: 6379 }],
      cluster: false,
      options: {},
    });
  });

  it('carries user, percent-encoded password, port and database', () => {
    expect(of('redis://foil:p%40ss%2Fword@[::1]:6380/3')).toMatchObject({
      where: '::1:6380',
      nodes: [{ host: '::1', port: 6380 }],
      options: { username: 'foil', password: 'p@ss/word', db: 3 },
    });
  });

  it('has TLS as rediss://, with the files of an own authority and of a client certificate', () => {
    for (const name of ['ca', 'cert', 'key']) writeFileSync(join(folder, name), name);
    const files = {
      FOILBANK_REDIS_CA: join(folder, 'ca'),
      FOILBANK_REDIS_CERT: join(folder, 'cert'),
      FOILBANK_REDIS_KEY: join(folder, 'key'),
    };
    expect(of('rediss://queue', files)?.options.tls).toEqual({
      ca: Buffer.from('ca'),
      cert: Buffer.from('cert'),
      key: Buffer.from('key'),
    });
    expect(of('rediss://queue')?.options.tls).toEqual({});
    expect(of('redis://queue', files)?.options.tls).toBeUndefined();
    const missing = { FOILBANK_REDIS_CA: join(folder, 'none.pem') };
    expect(failure(() => of('rediss://queue', missing)).code).toBe('FB_FILE_UNREADABLE');
  });

  it('lists the nodes of a Redis Cluster, or says that one node is of one', () => {
    expect(of('redis://a:1,redis://b:2')).toMatchObject({
      cluster: true,
      nodes: [
        { host: 'a', port: 1 },
        { host: 'b', port: 2 },
      ],
    });
    expect(of('redis://a', { FOILBANK_REDIS_CLUSTER: '1' })?.cluster).toBe(true);
  });

  it.each([
    ['queue:6379', /begins with/],
    ['http://queue', /begins with/],
    ['redis://', /no host/],
    ['redis://queue:99999', /no address/],
    ['redis://queue/first', /database/],
    ['redis://a/1,redis://b/1', /database 0/],
    ['redis://a,rediss://b', /TLS/],
    ['redis://:50%@queue', /%/],
  ])('%s is refused', (url, reason) => {
    const error = failure(() => of(url));
    expect(error.code).toBe('FB_REDIS_URL_INVALID');
    expect(error.message).toMatch(reason);
  });

  it('never comes back with a password, however malformed', () => {
    const secret = 'pineapple42';
    const noise = fc.string({ maxLength: 6 });
    const shape = fc.constantFrom('redis://', 'rediss://', 'http://', '', ',', 'redis://a,');
    fc.assert(
      fc.property(shape, noise, noise, noise, (scheme, before, after, tail) => {
        try {
          of(`${scheme}user:${before}${secret}${after}@${tail}`);
        } catch (error) {
          expect(error).toBeInstanceOf(FoilbankError);
          expect(inspect(error, { depth: 9, showHidden: true }).toLowerCase()).not.toContain(secret);
        }
      }),
      { numRuns: 1000 },
    );
    for (const url of [`redis://:a,${secret}:b@host`, `${secret}:6379`, `redis://u:${secret}%@h`])
      expect(
        inspect(
          failure(() => of(url)),
          { depth: 9 },
        ),
      ).not.toContain(secret);
  });
});

describe('the key prefix', () => {
  it('is what was given, if Redis Cluster can keep all keys together', () => {
    expect(of('redis://a', { FOILBANK_REDIS_PREFIX: 'shop' })?.prefix).toBe('shop');
    expect(of('redis://a,redis://b', { FOILBANK_REDIS_PREFIX: '{shop}.foils' })?.prefix).toBe('{shop}.foils');
    for (const [url, prefix] of [
      ['redis://a', 'two words'],
      ['redis://a', 'a:b'],
      ['redis://a,redis://b', 'shop'],
      ['redis://a,redis://b', '{}shop'],
    ] as const)
      expect(failure(() => of(url, { FOILBANK_REDIS_PREFIX: prefix })).code).toBe('FB_OPTION_INVALID');
  });
});
