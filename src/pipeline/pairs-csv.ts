import { FoilbankError } from '../errors.js';

/** Two photos, by their names relative to the folder of photos. */
export interface PhotoPair {
  readonly a: string;
  readonly b: string;
  /** Whether both show one person. */
  readonly same: boolean;
  /** Line of the file, from 1. */
  readonly row: number;
}

const LABELS: Readonly<Record<string, boolean>> = { 1: true, true: true, 0: false, false: false };

/**
 * Reads labelled pairs: comma-separated UTF-8 whose first line names at least the columns `a`, `b` and `same` (1 or 0, true or
 * false). Names may be quoted as in RFC 4180, but a line break ends a row even so. Empty lines are passed over.
 *
 * @param file named in errors
 * @throws FoilbankError FB_PAIRS_INVALID
 */
export function parsePairs(bytes: Uint8Array, file: string): PhotoPair[] {
  const invalid = (row: number, reason: string) =>
    new FoilbankError('FB_PAIRS_INVALID', { file, row, reason });
  const fields = (line: string, row: number): string[] => {
    const split = splitFields(line);
    if (split) return split;
    throw invalid(row, 'a quote is not closed, or stands inside a name that does not begin with one');
  };
  const [head = '', ...lines] = decode(bytes, invalid).split(/\r\n|\n|\r/);
  const header = fields(head, 1).map((name) => name.trim());
  const columns = ['a', 'b', 'same'].map((name) => header.indexOf(name));
  if (columns.includes(-1)) throw invalid(1, 'the first line does not name the columns a, b and same');
  return lines.flatMap((line, i) => {
    const row = i + 2;
    if (line.trim() === '') return [];
    const values = fields(line, row);
    if (values.length !== header.length)
      throw invalid(row, `${values.length} values, the first line names ${header.length}`);
    const [a = '', b = '', label = ''] = columns.map((column) => values[column]);
    if (a === '' || b === '') throw invalid(row, 'a name is empty');
    const same = LABELS[label.trim().toLowerCase()];
    if (same === undefined) throw invalid(row, `same is ${JSON.stringify(label.slice(0, 40))}, not 1 or 0`);
    return [{ a, b, same, row }];
  });
}

function decode(bytes: Uint8Array, invalid: (row: number, reason: string) => FoilbankError): string {
  try {
    // Takes a byte order mark away too.
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw invalid(1, 'it is not UTF-8 text');
  }
}

/** The values of one line; undefined where its quotes make no sense. */
function splitFields(line: string): string[] | undefined {
  if (!line.includes('"')) return line.split(',');
  const values: string[] = [];
  const field = /(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/y;
  for (;;) {
    const match = field.exec(line);
    if (!match) return undefined;
    const [, quoted, plain = '', end] = match;
    values.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end === '') return values;
  }
}
