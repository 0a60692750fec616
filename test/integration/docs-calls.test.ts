import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { createRegistry, type DescMethod, fromJson, type JsonValue } from '@bufbuild/protobuf';
import { createValidator } from '@bufbuild/protovalidate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as contract from '../../src/gen/index.js';
import { scopeOf } from '../../src/service/entrance.js';
import { matches, pages, shellLines, text, wordsOf } from '../support/docs.js';
import { type Bench, publishCrowd, startService } from '../support/service.js';

const run = promisify(execFile);
const linesOf = (program: string) =>
  pages.flatMap((page) =>
    shellLines(page)
      .filter((line) => wordsOf(line)[0] === program)
      .map((line) => ({ page, line })),
  );
const there = (program: string) => {
  const found = spawnSync(program, ['--version']).status === 0;
  if (!found) console.warn(`${program} is not here: its lines in the docs were not run`);
  return found;
};
let bench: Bench;
beforeAll(async () => {
  bench = await startService((store) => publishCrowd(store, 'default', 1));
});
afterAll(() => bench.close());

describe.skipIf(!there('curl'))('curl in the docs', () => {
  /** Runs a line as it stands, but for where the server is. @throws when curl or the server refuses */
  async function answerTo(line: string): Promise<unknown> {
    const here = line.replaceAll(/(?:https?:\/\/)?localhost:8080/g, bench.service.url);
    const strict = `curl() { command curl --fail-with-body --silent --show-error "$@"; }; ${here}`;
    return JSON.parse((await run('bash', ['-euc', strict])).stdout) as unknown;
  }

  it('would be found out', async () => {
    const [{ line } = { line: '' }] = linesOf('curl');
    await expect(answerTo(line.replace('ListBanks', 'ListBank'))).rejects.toThrow(/404/);
    await expect(answerTo(line.replace("'{}'", `'{"bnak":""}'`))).rejects.toThrow(/400/);
  });

  it.each(linesOf('curl'))('$page: $line', async ({ line }) => {
    expect(line).toContain('localhost:8080');
    expect(await answerTo(line)).toMatchObject({ banks: [{ name: 'default', version: '000001' }] });
  });
});

describe('grpcurl in the docs', () => {
  const registry = createRegistry(
    ...Object.values(contract).flatMap((one) => ('typeName' in one ? [one] : [])),
  );
  const validator = createValidator();

  function methodOf(path: string): DescMethod {
    const [service = '', name] = path.split('/');
    const method = registry.getService(service)?.methods.find((one) => one.name === name);
    if (!method) throw new Error(`there is no ${path}`);
    return method;
  }

  /** What a line calls, once its body is one that the method takes. @throws for anything else */
  function callOf(line: string): { method: DescMethod; headers: string[]; address: string } {
    const headers: string[] = [];
    const rest: string[] = [];
    let body = '{}';
    const words = wordsOf(line).slice(1);
    for (let word = words.shift(); word !== undefined; word = words.shift())
      if (word === '-H') headers.push(words.shift() ?? '');
      else if (word === '-d') body = words.shift() ?? '';
      else if (word.startsWith('-') && word !== '-plaintext') throw new Error(`grpcurl knows no ${word}`);
      else if (word !== '-plaintext') rest.push(word);
    const [address = '', path = ''] = rest;
    const method = methodOf(path);
    // Values that are left out for brevity.
    const message = fromJson(method.input, JSON.parse(body.replaceAll(',…', '')) as JsonValue, { registry });
    const { kind, error } = validator.validate(method.input, message);
    if (kind !== 'valid') throw error;
    return { method, headers, address };
  }

  it('would be found out', () => {
    const [{ line } = { line: '' }] = linesOf('grpcurl');
    for (const [right, wrong, why] of [
      ['Discrepancy', 'Discrepancies', /there is no/],
      ['"values"', '"valeus"', /valeus/],
      ['"k":64', '"k":-1', /-1/],
      ['-plaintext', '-plain', /-plain/],
    ] as const) {
      expect(line).toContain(right);
      expect(() => callOf(line.replace(right, wrong))).toThrow(why);
    }
  });

  it.each(linesOf('grpcurl'))('$page: $line', ({ line }) => {
    const { method, headers, address } = callOf(line);
    expect(address).toMatch(/^[\w.]+:\d+$/);
    if (scopeOf(method)) expect(headers.join()).toMatch(/^authorization: Bearer fbk_/);
  });
});

describe.skipIf(!there('python3'))('Python in the docs', () => {
  const blocks = pages.flatMap((page) =>
    matches(text(page), /^```python\n([\s\S]*?)^```/gm).map((code) => ({ page, code })),
  );

  it.each(blocks)('$page: $code', async ({ page, code }) => {
    const imports = code.split('\n').filter((line) => line.startsWith('import '));
    const { status } = spawnSync('python3', ['-c', imports.join('\n')]);
    if (status !== 0) console.warn(`${page}: "${imports.join()}" fails here, so the block was only read`);
    // Where its libraries are, it is run; else its syntax is checked.
    const program = status === 0 ? code : `import ast; ast.parse(${JSON.stringify(code)})`;
    await run('python3', ['-c', program], { cwd: bench.folder });
  });
});
