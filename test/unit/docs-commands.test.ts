import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { program } from '../../src/cli/program.js';
import { matches, pages, root, shellLines, text, wordsOf } from '../support/docs.js';

const withoutBlocks = (page: string) => text(page).replace(/^ *```[\s\S]*?^ *```/gm, '');

function leavesOf(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leavesOf);
}

/** Has the program read a command line with all of its rules, and do nothing. @returns the command that would have run */
async function read(args: readonly string[]): Promise<string | undefined> {
  const foilbank = await program(new AbortController().signal, args);
  let named: string | undefined;
  const silent = { writeErr: () => undefined, writeOut: () => undefined };
  for (const leaf of leavesOf(foilbank)) {
    for (let command: Command | null = leaf; command; command = command.parent)
      command.configureOutput(silent);
    leaf.action(() => {
      named = pathOf(leaf).join(' ');
    });
  }
  await foilbank.parseAsync(args, { from: 'user' });
  return named;
}

const pathOf = (command: Command): string[] =>
  command.parent ? [...pathOf(command.parent), command.name()] : [];

/** What is wrong with a command that a sentence names in part, as in `bank pin` or `keys create|list`. */
async function faultOf(words: readonly string[]): Promise<string | undefined> {
  let command = await program(new AbortController().signal, words);
  const options = [...command.options, ...(command.createHelp().visibleOptions(command) ?? [])];
  for (const word of words) {
    if (word.startsWith('-')) {
      const known = [...options, ...command.options].some(
        ({ long, short }) => long === word || short === word,
      );
      if (!known) return `${command.name()} knows no ${word}`;
    } else if (command.commands.length > 0) {
      const next = word
        .split('|')
        .map((name) => command.commands.find((c) => c.name() === name || c.aliases().includes(name)));
      if (next.some((found) => !found)) return `${command.name()} has no ${word}`;
      command = next[0]!;
    }
  }
  return undefined;
}

const fenced = pages.flatMap((page) =>
  shellLines(page)
    .map(wordsOf)
    .filter(([first]) => first === 'foilbank')
    .map((words) => ({ page, line: words.join(' '), args: words.slice(1) })),
);

describe('commands in the docs', () => {
  it('would be found out', async () => {
    for (const wrong of [
      'bank biuld',
      'bank build --sise 3',
      'bank build --size none',
      'bank pin',
      'align a.jpg',
    ])
      await expect(read(wordsOf(wrong)), wrong).rejects.toThrow();
    expect(await faultOf(['bank', 'pins'])).toBe('bank has no pins');
    expect(await faultOf(['keys', 'create|lost'])).toBe('keys has no create|lost');
    expect(await faultOf(['calibrate', '--drafts', '0'])).toBe('calibrate knows no --drafts');
  });

  it.each(fenced)('$page: $line', async ({ args }) => {
    expect(await read(args)).toBeTypeOf('string');
  });

  it('are commands that the end-to-end or integration tests run', async () => {
    const tests = ['test/e2e', 'test/integration'].flatMap((folder) =>
      readdirSync(join(root, folder)).map((file) => text(join(folder, file))),
    );
    const unrun = new Set<string>();
    for (const { args } of fenced) {
      const named = (await read(args))!;
      const words = new RegExp(
        named
          .split(' ')
          .map((word) => `'${word}'`)
          .join(',\\s*'),
      );
      if (!tests.some((test) => words.test(test))) unrun.add(named);
    }
    expect([...unrun]).toEqual([]);
  });

  it('what sentences name exists, with its options', async () => {
    const faults: string[] = [];
    let named = 0;
    for (const page of pages)
      for (const command of matches(withoutBlocks(page), /`foilbank ([^`]+)`/g)) {
        named += 1;
        const fault = await faultOf(wordsOf(command));
        if (fault) faults.push(`${page}: foilbank ${command}: ${fault}`);
      }
    expect(faults).toEqual([]);
    expect(named).toBeGreaterThan(50);
  });

  it('the examples of every --help are read, too', async () => {
    const names = (await program(new AbortController().signal, [])).commands.map((c) => c.name());
    const all = await program(new AbortController().signal, names);
    let help = '';
    for (const leaf of leavesOf(all))
      leaf
        .configureOutput({
          writeOut: (part) => {
            help += part;
          },
        })
        .outputHelp();
    const examples = matches(help, /^ {2}((?:[A-Z_]+=\S+ )?foilbank .+)$/gm);
    expect(examples.length).toBeGreaterThan(30);
    for (const example of examples)
      await expect(read(wordsOf(example).slice(1)), example).resolves.toBeTypeOf('string');
  });

  it('make targets, npm scripts and files that are run exist', () => {
    const targets = new Set(matches(`${text('Makefile')}\n${text('training/rules.mk')}`, /^([a-z0-9-]+):/gm));
    const { scripts } = JSON.parse(text('package.json')) as { scripts: Record<string, string> };
    const missing: string[] = [];
    for (const page of pages) {
      const said = [...shellLines(page), ...matches(withoutBlocks(page), /`([^`\n]+)`/g)].map(wordsOf);
      for (const [program, first = '', second = ''] of said) {
        const there =
          program === 'make'
            ? targets.has(first)
            : program === 'npm' && first === 'run'
              ? second in scripts
              : program === 'node' || program?.endsWith('python3')
                ? existsSync(join(root, first.replace(/^dist\/(.*)\.js$/, '$1.ts')))
                : true;
        if (!there) missing.push(`${page}: ${program} ${first} ${second}`);
      }
    }
    expect(missing).toEqual([]);
  });
});
