import Table from 'cli-table3';
import pc from 'picocolors';

/** A plain table: a header, a rule, left-aligned text and right-aligned numbers. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const numeric = head.map(
    (_, column) =>
      rows.length > 0 &&
      rows.every(
        (row) => typeof row[column] === 'number' || /^[-+]?[\d.,]+ ?[%x×]?$|^–$/.test(String(row[column])),
      ),
  );
  const view = new Table({
    // Coloured here, since the table library would write its codes into pipes and files too.
    head: head.map((name) => pc.bold(name)),
    colAligns: numeric.map((n) => (n ? 'right' : 'left')),
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
    chars: {
      top: '',
      'top-mid': '',
      'top-left': '',
      'top-right': '',
      bottom: '',
      'bottom-mid': '',
      'bottom-left': '',
      'bottom-right': '',
      left: '',
      'left-mid': '',
      mid: '',
      'mid-mid': '',
      right: '',
      'right-mid': '',
      middle: '',
    },
  });
  view.push(...rows.map((row) => row.map(String)));
  return view.toString().replaceAll(/ +$/gm, '');
}
