import { resolve } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { type ApiKey, createKey, readKeys, revokeKey, SCOPES, type ScopeName } from '../service/index.js';
import { type ContextOf, print, printJson, say } from './context.js';
import { real, whole } from './options.js';
import { table } from './table.js';

interface KeyOptions {
  readonly keys?: string;
  readonly json?: boolean;
}
interface CreateOptions extends KeyOptions {
  readonly name: string;
  readonly scopes: ScopeName[];
  readonly days?: number;
  readonly rate?: number;
}

const fileOf = ({ keys }: KeyOptions): string =>
  resolve(keys ?? (process.env.FOILBANK_KEYS || 'foilbank-keys.json'));

function scopes(value: string): ScopeName[] {
  const names = value.split(',').map((name) => name.trim());
  const known = (name: string): name is ScopeName => (SCOPES as readonly string[]).includes(name);
  if (!names.every(known)) throw new InvalidArgumentError(`Give some of ${SCOPES.join(', ')}.`);
  return [...new Set(names)];
}

const withFile = (command: Command): Command =>
  command
    .option('--keys <file>', 'where they are (FOILBANK_KEYS, default: foilbank-keys.json)')
    .option('--json', 'as JSON');

/** Keys are files of their own, so the context of banks and networks is not asked for. */
export function keysCommand(_: ContextOf): Command {
  const keys = new Command('keys').description(
    'API keys of `foilbank serve`; a running server sees changes within a second',
  );
  withFile(keys.command('create'))
    .description('a new key; its token is shown once and stored nowhere')
    .requiredOption('--name <text>', 'whose it is')
    .option('--scopes <names>', 'read, score, admin, with commas between', scopes, ['read', 'score'])
    .option('--days <count>', 'until it expires (default: never)', real(0, 36_500))
    .option('--rate <count>', 'requests a second (default: as many as the server takes)', whole(1, 1_000_000))
    .addHelpText(
      'after',
      `
To rotate: create a second key, give it out, then revoke the first.

Examples:
  foilbank keys create --name backend
  foilbank keys create --name ops --scopes admin --days 30 --json`,
    )
    .action(async (options: CreateOptions) => {
      const { name, days, rate } = options;
      const expiresAt = days === undefined ? undefined : new Date(Date.now() + days * 86_400_000);
      const { key, token } = await createKey(fileOf(options), {
        name,
        scopes: options.scopes,
        expiresAt,
        rate,
      });
      if (options.json) return printJson({ ...told(key), token });
      say(`key ${key.id} for ${name}; this is the only time that it is shown:`);
      print(token);
    });
  withFile(keys.command('list'))
    .description('the keys, without their secrets')
    .addHelpText('after', '\nExample:\n  foilbank keys list')
    .action(async (options: KeyOptions) => {
      const all = await readKeys(fileOf(options));
      if (options.json) return all.forEach((key) => void printJson(told(key)));
      print(
        table(
          ['id', 'name', 'scopes', 'created', 'expires', 'requests/s'],
          all.map((k) => [
            k.id,
            k.name,
            k.scopes.join(','),
            k.createdAt,
            k.expiresAt ?? 'never',
            k.rate ?? '',
          ]),
        ),
      );
    });
  withFile(keys.command('revoke'))
    .description('take a key away')
    .argument('<id>')
    .addHelpText('after', '\nExample:\n  foilbank keys revoke 0a1b2c3d4e5f')
    .action(async (id: string, options: KeyOptions) => {
      await revokeKey(fileOf(options), id);
      if (options.json) printJson({ revoked: id });
      else say(`key ${id} is revoked`);
    });
  return keys;
}

const told = ({ sha256: _, ...key }: ApiKey) => key;
