import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { hasRedis, needsRedis, startRedis } from '../support/redis.js';

const ask = async <T>(url: string, question: (redis: Redis) => Promise<T>): Promise<T> => {
  const redis = new Redis(url, { retryStrategy: () => null });
  redis.on('error', () => undefined);
  try {
    return await question(redis);
  } finally {
    redis.disconnect();
  }
};

describe.skipIf(!hasRedis)(needsRedis('the redis-server of the tests'), () => {
  it('keeps what was written before a SIGKILL, on the same port', async () => {
    const server = await startRedis();
    try {
      await ask(server.url, (redis) => redis.set('key', 'value'));
      await server.kill('SIGKILL');
      await server.restart();
      expect(await ask(server.url, (redis) => redis.get('key'))).toBe('value');
    } finally {
      await server.stop();
    }
    expect(existsSync(server.folder)).toBe(false);
  });

  it('forgets it without an append-only file', async () => {
    const server = await startRedis({ appendOnly: false });
    try {
      await ask(server.url, (redis) => redis.set('key', 'value'));
      await server.restart();
      expect(await ask(server.url, (redis) => redis.get('key'))).toBeNull();
    } finally {
      await server.stop();
    }
  });

  it('says why it cannot start', async () => {
    const server = await startRedis();
    try {
      await expect(startRedis({ port: server.port })).rejects.toThrow(/Address already in use/);
    } finally {
      await server.stop();
    }
  });

  it('dies with a test process that is killed', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'foilbank-redis-test-'));
    const source = await readFile(new URL('../support/redis.ts', import.meta.url), 'utf8');
    const { outputText } = ts.transpileModule(source, { compilerOptions: { module: ts.ModuleKind.ESNext } });
    await writeFile(
      join(folder, 'main.mjs'),
      `${outputText}\nconsole.log((await startRedis()).url);\nsetInterval(() => undefined, 1000);`,
    );
    const child = spawn(process.execPath, [join(folder, 'main.mjs')], {
      env: { ...process.env, TMPDIR: folder },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const url = line.toString().trim();
    expect(await ask(url, (redis) => redis.ping())).toBe('PONG');
    child.kill('SIGKILL');
    await expect
      .poll(() => ask(url, (redis) => redis.ping()).catch(() => 'gone'), { timeout: 10_000 })
      .toBe('gone');
    await rm(folder, { recursive: true, force: true });
  });
});
