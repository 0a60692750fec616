import type { Flips } from '../flips.js';
import { escaped } from './svg.js';
import type { TextTable } from './tables.js';

export interface ReportContent {
  readonly title: string;
  /** Sentences below the title: what was evaluated, and how. */
  readonly facts: readonly string[];
  readonly warnings: readonly string[];
  readonly tables: readonly TextTable[];
  readonly plots: Readonly<Record<string, string>>;
  readonly flips: Flips;
  /** What the flips are between, for example `raw → standardise, virtual K 64`. */
  readonly between: string;
  /** Name of a photo. */
  name(photo: number): string;
  /** A small picture of a photo as a data URL; undefined where there is none. */
  picture?(photo: number): string | undefined;
}

const SHOWN = 12;

/** A report in one file: styles, plots and pictures inside, nothing fetched. */
export function htmlReport(content: ReportContent): string {
  const { title, facts, warnings, tables, plots, between } = content;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escaped(title)}</title>
<style>
body { font: 15px/1.5 "DejaVu Sans", Verdana, sans-serif; color: #222; max-width: 1180px; margin: 2em auto; padding: 0 1em }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin-top: 2em } h3 { font-size: 1em }
.scroll { overflow-x: auto } table { border-collapse: collapse; font-size: 13px }
th, td { padding: .25em .7em; text-align: right; white-space: nowrap; border-bottom: 1px solid #e5e5e5 }
th:first-child, td:first-child { text-align: left } tr:first-child td { background: #f6f6f4 }
.plots { display: flex; flex-wrap: wrap; gap: 1em } .warning { background: #fff4d6; padding: .4em .8em }
.pair { display: inline-block; margin: 0 1em 1em 0; font-size: 11px; vertical-align: top; width: 200px; overflow-wrap: anywhere }
.pair img { width: 96px; height: 96px; object-fit: cover; margin-right: 3px }
</style></head><body>
<h1>${escaped(title)}</h1>
${facts.map((fact) => `<p>${escaped(fact)}</p>`).join('\n')}
${warnings.map((warning) => `<p class="warning">${escaped(warning)}</p>`).join('\n')}
${tables.map(tableOf).join('\n')}
<h2>Plots</h2>
<div class="plots">${Object.values(plots).map(withOwnClip).join('\n')}</div>
<h2>Pairs decided otherwise: ${escaped(between)}</h2>
${flipsOf(content)}
</body></html>
`;
}

function tableOf({ title, head, rows }: TextTable): string {
  const line = (cells: readonly string[], tag: 'th' | 'td') =>
    `<tr>${cells.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join('')}</tr>`;
  return `<h2>${escaped(title)}</h2>
<div class="scroll"><table><thead>${line(head, 'th')}</thead><tbody>${rows.map((row) => line(row, 'td')).join('\n')}</tbody></table></div>`;
}

/** Plots share one page, so the name of each one's clip path is made its own. */
const withOwnClip = (svg: string, i: number): string =>
  svg.replace('id="c"', `id="c${i}"`).replace('url(#c)', `url(#c${i})`);

function flipsOf({ flips, name, picture }: ReportContent): string {
  const kinds: [keyof Flips, string][] = [
    ['found', 'better: one person, accepted only when aligned'],
    ['refused', 'better: two people, refused only when aligned'],
    ['lost', 'worse: one person, accepted only when raw'],
    ['admitted', 'worse: two people, refused only when raw'],
  ];
  return kinds
    .map(([kind, text]) => {
      const pairs = flips[kind].slice(0, SHOWN).map(({ left, right, raw, aligned }) => {
        const pictures = [left, right].map((photo) => picture?.(photo)).filter((url) => url !== undefined);
        const scores = `${scoreText(raw)} → ${scoreText(aligned)}`;
        return `<div class="pair">${pictures.map((url) => `<img src="${url}" alt="">`).join('')}<br>${escaped(name(left))}<br>${escaped(name(right))}<br>${scores}</div>`;
      });
      const more = flips[kind].length > SHOWN ? `, the clearest ${SHOWN} of them` : '';
      return `<h3>${escaped(text)}: ${flips[kind].length}${more}</h3>\n${pairs.join('\n')}`;
    })
    .join('\n');
}

const scoreText = (score: number): string => (Number.isNaN(score) ? 'far below' : score.toFixed(3));
