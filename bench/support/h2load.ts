import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { bunchedVectors } from './bunched-vectors.js';
import { ask, bodyOf, headersOf, holds, PATH } from './load-request.js';
import type { Load, Loaded } from './service-load-trial.js';

/** Processes of h2load, each with a request of its own. */
const PROCESSES = 4;
const WARM_UP_SECONDS = 2;

/** Whether there is h2load (nghttp2), a client that takes a fraction of the processor that one of Node's takes. */
export function hasH2load(): boolean {
  try {
    execFileSync('h2load', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/**
 * The load of h2load on as many connections, one request at a time on each. What it cannot see, whether a reply is the right one, shows by
 * the bytes: of one request's replies all are as long as the first, which is looked at.
 */
export async function h2load({
  url,
  protocol,
  dimension,
  k,
  connections,
  batch,
  seconds,
}: Load): Promise<Loaded> {
  const vectors = bunchedVectors({ rows: Math.max(1024, batch * PROCESSES), dimension, seed: 2 });
  const folder = mkdtempSync(join(tmpdir(), 'foilbank-h2load-'));
  const session = connect(url);
  try {
    const runs = await Promise.all(
      Array.from({ length: PROCESSES }, async (_, i) => {
        const body = bodyOf(protocol, vectors.slice(i * batch, (i + 1) * batch), k);
        const reply = await ask(session, protocol, body);
        if (!holds(protocol, reply, batch)) throw new Error('the reply is none');
        const [data, log] = [join(folder, `${i}.body`), join(folder, `${i}.log`)];
        writeFileSync(data, body);
        return { data, log, length: reply.length };
      }),
    );
    const results = await Promise.all(
      runs.map(async ({ data, log, length }) => {
        const { stdout } = await promisify(execFile)('h2load', [
          ...['-c', String(connections / PROCESSES), '-m', '1', '-d', data, `--log-file=${log}`],
          ...['-D', String(seconds), `--warm-up-time=${WARM_UP_SECONDS}`],
          ...Object.entries(headersOf(protocol)).flatMap(([name, value]) => ['-H', `${name}: ${value}`]),
          url + PATH,
        ]);
        const lines = readFileSync(log, 'utf8').trimEnd().split('\n');
        const answers = lines.map((line) => line.split('\t').map(Number) as [number, number, number]);
        const count = (what: RegExp) => Number(what.exec(stdout)?.[1]);
        const failed = count(/(\d+) failed/) + count(/(\d+) errored/) + count(/(\d+) timeout/);
        // JSON's replies differ by a digit, but its failures have a status.
        const whole = protocol === 'connect' || count(/\((\d+)\) data/) % length === 0;
        // What is under way at the end is cut off, and has no status.
        const times = answers
          .filter(([, status]) => status === 200)
          .map(([, , microseconds]) => microseconds / 1000);
        return { times: whole ? times : [], failed: whole ? failed : answers.length };
      }),
    );
    const answered = results.flatMap(({ times }) => times).sort((a, b) => a - b);
    const failed = results.reduce((sum, one) => sum + one.failed, 0);
    const quantile = (share: number) => answered[Math.floor(share * (answered.length - 1))] ?? Number.NaN;
    return {
      ...{ rate: (answered.length * batch) / seconds, failed },
      ...{ p50: quantile(0.5), p99: quantile(0.99), p99BySecond: [] },
    };
  } finally {
    session.destroy();
    rmSync(folder, { recursive: true });
  }
}
