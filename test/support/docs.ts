import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../src/config.js';

export const root = packageRoot();
export const text = (file: string): string => readFileSync(join(root, file), 'utf8');
export const matches = (source: string, pattern: RegExp): string[] =>
  [...source.matchAll(pattern)].map((m) => m[1] as string);

/** Pages for people, by their paths. */
export const pages: readonly string[] = [
  ...['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'training/README.md'],
  ...readdirSync(join(root, 'docs')).flatMap((file) => (file.endsWith('.md') ? [`docs/${file}`] : [])),
];

/** Lines of a page's shell blocks, without comments. */
export const shellLines = (page: string): string[] =>
  matches(text(page), /^ *```(?:sh)?\n([\s\S]*?)^ *```/gm)
    .flatMap((block) => block.replaceAll('\\\n', '').split('\n'))
    .map((line) => line.replace(/(^|\s)#.*/, '').trim())
    .filter((line) => line !== '');

/** The words of a line's first command, without settings of the environment before it. */
export function wordsOf(line: string): string[] {
  const words = (line.match(/'[^']*'|"[^"]*"|\S+/g) ?? []).map((word) =>
    word.replace(/^(['"])(.*)\1$/, '$2'),
  );
  const first = words.findIndex((word) => !/^[A-Z_]+=/.test(word));
  const end = words.findIndex((word) => /^([|;&<>]|&&)$/.test(word));
  return words.slice(first, end < 0 ? undefined : end);
}
