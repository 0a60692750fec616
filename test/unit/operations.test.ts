import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/config.js';

const root = packageRoot();
const text = (file: string) => readFileSync(join(root, file), 'utf8');
const matches = (source: string, pattern: RegExp) => [...source.matchAll(pattern)].map((m) => m[1] as string);

/** Names of environment variables that the code reads. */
const known = new Set(
  ['src', 'workers'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .flatMap((file) =>
        matches(
          text(join(folder, file)),
          /(?:\benv\.|'|[{,] (?=\w+: ))((?:FOILBANK_|REDIS_|OTEL_)[A-Z_0-9]+)\b/g,
        ),
      ),
  ),
);

describe('docs/operations.md', () => {
  it('lists, with docs/service.md, the environment variables that the code reads, neither more nor less', () => {
    const cells = ['docs/operations.md', 'docs/service.md'].flatMap((page) =>
      matches(text(page), /^\| (`(?:FOILBANK|REDIS|OTEL)_[^|]+)\|/gm),
    );
    const listed = new Set(cells.flatMap((cell) => matches(cell, /`([A-Z_0-9]+)`/g)));
    expect(known.size).toBeGreaterThan(20);
    expect([...listed].sort()).toEqual([...known].sort());
  });

  it('names the rights that the tests give to a user', () => {
    const acl = /const ACL =\s*'([^']+)'/.exec(text('test/integration/redis-connection.test.ts'))?.[1];
    expect(acl).toBeTruthy();
    expect(text('docs/operations.md')).toContain(acl);
  });
});

describe('Dockerfile', () => {
  const file = text('Dockerfile');
  const ignored = text('.dockerignore');

  it('copies what exists and what .dockerignore lets through', () => {
    const sources = matches(file, /^COPY (?!--from)(.+)$/gm).flatMap((line) => line.split(' ').slice(0, -1));
    expect(sources.length).toBeGreaterThan(5);
    for (const source of sources) {
      expect(existsSync(join(root, source)), source).toBe(true);
      expect(ignored.split('\n'), source).toContain(`!${source}`);
    }
  });

  it('runs as a user without rights, on pinned bases, and sets only what the code reads', () => {
    expect(file).toMatch(/^USER node$/m);
    for (const base of matches(file, /^FROM (\S+)/gm)) expect(base).toMatch(/^node:\d+\.\d+\.\d+-bookworm/);
    const set = matches(file, /((?:FOILBANK|REDIS)_[A-Z_]+)=/g);
    expect(set.length).toBeGreaterThan(2);
    expect(set.filter((name) => !known.has(name))).toEqual([]);
  });
});

describe('docker-compose.yml', () => {
  const file = text('docker-compose.yml');
  const commands = matches(file, /^ {4}command: (\[.+\])$/gm).map((line) => JSON.parse(line) as string[]);

  it('starts what is built', () => {
    const started = commands.filter(([first]) => first?.startsWith('dist/'));
    expect(started).toHaveLength(4);
    for (const [script = '', command] of started) {
      expect(existsSync(join(root, script.replace('dist/', '').replace('.js', '.ts'))), script).toBe(true);
      if (command) expect(text('src/cli/program.ts')).toMatch(new RegExp(`^  ${command}:`, 'm'));
    }
  });

  it('sets only environment variables that the code reads', () => {
    const set = matches(file, /^ {6}([A-Z_]+):/gm);
    expect(set.length).toBeGreaterThan(4);
    expect(set.filter((name) => !known.has(name))).toEqual([]);
  });

  it('keeps every process of ours from writing but to its volumes, and Redis from forgetting', () => {
    expect(file).toMatch(/x-foilbank: &foilbank[\s\S]*read_only: true[\s\S]*\nservices:/);
    expect(matches(file, /^ {4}<<: \*(foilbank)$/gm)).toHaveLength(4);
    expect(file).toMatch(/appendonly yes.*maxmemory-policy noeviction/);
  });
});
