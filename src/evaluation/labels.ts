import { FoilbankError } from '../errors.js';
import type { UnitMatrix } from '../vectors/index.js';

/**
 * One label a line, in the order of the embeddings. A line break at the end is no further label.
 *
 * @throws FoilbankError FB_LABELS_INVALID
 */
export function parseLabels(text: string, rows: number, file: string): string[] {
  const lines = text.replace(/\r?\n$/, '').split(/\r?\n/);
  if (lines.length !== rows)
    throw new FoilbankError('FB_LABELS_INVALID', {
      file,
      reason: `${lines.length} labels for ${rows} embeddings`,
    });
  const empty = lines.findIndex((line) => line.trim() === '');
  if (empty !== -1)
    throw new FoilbankError('FB_LABELS_INVALID', { file, reason: `line ${empty + 1} is empty` });
  return lines.map((line) => line.trim());
}

/**
 * Groups of photos or of people: lines of `name,group`, where the name is a photo's file name or an identity. A first line of exactly
 * `name,group` is taken for a header.
 *
 * @throws FoilbankError FB_LABELS_INVALID, FB_LABELS_CONTRADICT
 */
export function parseGroups(text: string, file: string): Map<string, string> {
  const groups = new Map<string, string>();
  text.split(/\r?\n/).forEach((line, i) => {
    if (line.trim() === '' || (i === 0 && line.trim() === 'name,group')) return;
    const at = line.lastIndexOf(',');
    const [name, group] = [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    if (at < 1 || name === '' || group === '')
      throw new FoilbankError('FB_LABELS_INVALID', { file, reason: `line ${i + 1} is not name,group` });
    const before = groups.get(name);
    if (before !== undefined && before !== group)
      throw new FoilbankError('FB_LABELS_CONTRADICT', { file, name, first: before, second: group });
    groups.set(name, group);
  });
  return groups;
}

/** Photos whose embeddings are equal bit by bit although they are said to show two people: most likely one file under two names. */
export function contradictions(
  embeddings: UnitMatrix,
  labels: readonly string[],
): { readonly first: number; readonly second: number }[] {
  const seen = new Map<string, number>();
  const found: { first: number; second: number }[] = [];
  for (let row = 0; row < embeddings.rows; row++) {
    const { buffer, byteOffset, byteLength } = embeddings.row(row);
    const key = Buffer.from(buffer, byteOffset, byteLength).toString('latin1');
    const first = seen.get(key);
    if (first === undefined) seen.set(key, row);
    else if (labels[first] !== labels[row]) found.push({ first, second: row });
  }
  return found;
}
