import { type ChildProcess, execFile, spawnSync } from 'node:child_process';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FileStore } from '../../src/bank/index.js';
import { createFoilbankClient, Decision, packEmbedding } from '../../src/client.js';
import { foilbank } from '../support/cli.js';
import { temporaryFolder } from '../support/networks.js';
import { freePort } from '../support/redis.js';
import { publishCrowd, queries, until } from '../support/service.js';

const examples = fileURLToPath(new URL('../../examples/', import.meta.url));
const run = promisify(execFile);
const hasPython = spawnSync('python3', ['--version']).status === 0;
let folder: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  await publishCrowd(new FileStore(join(folder, 'banks')), 'default', 1);
});
afterAll(() => rm(folder, { recursive: true }));

describe('foilbank serve', () => {
  it('gives one comparison alike to curl, Python and the typed client, and ends cleanly on SIGTERM', async () => {
    const keys = join(folder, 'keys.json');
    const created = await foilbank(['keys', 'create', '--name', 'test', '--keys', keys, '--json']);
    expect(created.code).toBe(0);
    const { token, id } = JSON.parse(created.stdout) as { token: string; id: string };
    const port = await freePort();
    let child: ChildProcess | undefined;
    const served = foilbank(
      ['--store', join(folder, 'banks'), 'serve', '--port', String(port), '--keys', keys],
      {
        onStart: (started) => {
          child = started;
        },
      },
    );
    const url = `http://127.0.0.1:${port}`;
    await until(async () => (await fetch(`${url}/readyz`).catch(() => undefined))?.status === 200, 25_000);
    const faces = queries(2);
    const files = [0, 1].map((row) => join(folder, `${row}.f32`));
    await Promise.all(
      files.map((file, row) => writeFile(file, new Uint8Array(faces.row(row).slice().buffer))),
    );
    const env = { ...process.env, FOILBANK_URL: url, FOILBANK_KEY: token };
    const byCurl = JSON.parse((await run(join(examples, 'compare.sh'), [...files, '3'], { env })).stdout);
    const { support } = createFoilbankClient({ baseUrl: url, apiKey: token });
    const [a, b] = [0, 1].map((row) => packEmbedding(faces.row(row)));
    const reply = await support.alignScores({
      comparisons: { case: 'pairs', value: { pairs: [{ a: a!, b: b! }] } },
      thresholdChoice: { case: 'threshold', value: 3 },
    });
    const [score] = reply.scores;
    expect(byCurl.scores[0].aligned).toBeCloseTo(score!.aligned, 9);
    expect(byCurl.scores[0].decision).toBe(`DECISION_${Decision[score!.decision]}`);
    if (hasPython) {
      const { stdout } = await run('python3', [join(examples, 'compare.py'), ...files, '3'], { env });
      expect(stdout).toContain(byCurl.scores[0].decision);
    }
    const listed = await foilbank(['keys', 'list', '--keys', keys, '--json']);
    expect(JSON.parse(listed.stdout)).toMatchObject({ id, name: 'test', scopes: ['read', 'score'] });
    expect(listed.stdout).not.toContain('sha256');
    expect((await foilbank(['keys', 'revoke', id, '--keys', keys])).code).toBe(0);
    child?.kill('SIGTERM');
    const { code, stderr } = await served;
    expect(code).toBe(0);
    expect(stderr).toContain('"msg":"listening"');
    expect(stderr).not.toContain(token.slice(17));
  }, 120_000);

  it('reads nothing at its start that lookups do without: libraries of queues, photos and traces', async () => {
    const seen = join(folder, 'coverage');
    let child: ChildProcess | undefined;
    const served = foilbank(['--store', join(folder, 'banks'), 'serve', '--no-auth', '--port', '0'], {
      env: { NODE_V8_COVERAGE: seen, REDIS_URL: '' },
      onStart: (started) => {
        child = started;
        started.stderr?.on('data', (text) => {
          if (String(text).includes('version serves')) child?.kill('SIGTERM');
        });
      },
    });
    expect(await served).toMatchObject({ code: 0 });
    const loaded = new Set<string>();
    for (const file of await readdir(seen))
      for (const { url } of JSON.parse(await readFile(join(seen, file), 'utf8')).result as { url: string }[])
        loaded.add(/.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? '');
    // Those it does need show that it was looked at, in every thread.
    for (const name of ['@connectrpc/connect', 'apache-arrow', 'onnxruntime-node'])
      expect(loaded).toContain(name);
    for (const name of [
      'bullmq',
      'ioredis',
      'sharp',
      '@opentelemetry/sdk-trace-base',
      'hono',
      'proper-lockfile',
    ])
      expect(loaded).not.toContain(name);
  }, 60_000);

  it('does not start without keys, nor without authentication on other than loopback', async () => {
    const none = await foilbank(['serve', '--keys', join(folder, 'none.json'), '--port', '0']);
    expect(none).toMatchObject({ code: 1 });
    expect(none.stderr).toContain('FB_KEYS_MISSING');
    expect(none.stderr).toContain('foilbank keys create');
    const redis = await foilbank(['serve', '--no-auth', '--port', '0'], { env: { REDIS_URL: 'no address' } });
    expect(redis).toMatchObject({ code: 1 });
    expect(redis.stderr).toContain('FB_REDIS_URL_INVALID');
    const open = await foilbank(['serve', '--no-auth', '--host', '0.0.0.0']);
    expect(open).toMatchObject({ code: 1 });
    expect(open.stderr).toContain('FB_AUTH_NEEDED');
  });
});
