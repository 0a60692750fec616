const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const ago = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });

export const count = (n: number | bigint): string => whole.format(n);
export const similarity = (x: number): string => (Number.isFinite(x) ? x.toFixed(3) : '–');
export const score = (x: number): string => (Number.isFinite(x) ? x.toFixed(2) : '–');

/** Of 100, with one digit. */
export const percent = (share: number): string =>
  Number.isFinite(share) ? `${(100 * share).toFixed(1)} %` : '–';

export function bytes(n: number): string {
  const steps = ['B', 'kB', 'MB', 'GB', 'TB'];
  const step = n < 1 ? 0 : Math.min(steps.length - 1, Math.floor(Math.log10(n) / 3));
  return `${(n / 1000 ** step).toFixed(step > 1 ? 1 : 0)} ${steps[step]}`;
}

/** One in how many pairs of different people: 1e-3 is "1 in 1,000". */
export const rate = (share: number): string => `1 in ${whole.format(1 / share)}`;

export function seconds(n: number): string {
  if (!Number.isFinite(n)) return '–';
  const [h, m, s] = [Math.floor(n / 3600), Math.floor(n / 60) % 60, Math.floor(n) % 60];
  return h ? `${h} h ${m} min` : m ? `${m} min ${s} s` : `${s} s`;
}

export const date = (at: { seconds: bigint } | undefined): string =>
  at ? moment.format(Number(at.seconds) * 1000) : '–';

export function age(at: { seconds: bigint } | undefined, now = Date.now()): string {
  if (!at) return '';
  const past = Number(at.seconds) - now / 1000;
  for (const [unit, size] of [
    ['day', 86_400],
    ['hour', 3600],
    ['minute', 60],
  ] as const)
    if (Math.abs(past) >= size) return ago.format(Math.trunc(past / size), unit);
  return 'just now';
}
