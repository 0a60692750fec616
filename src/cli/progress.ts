import { MultiBar, Presets } from 'cli-progress';
import { type Progress, RateMeter } from '../pipeline/index.js';
import { printJson } from './context.js';

export interface ProgressView {
  update(event: Progress, note?: string): void;
  stop(): void;
}

/** A bar on a terminal, one line in ten percent steps elsewhere, JSON lines with `--json`. All but JSON go to stderr. */
export function progressView(label: string, unit: string, json: boolean): ProgressView {
  if (json)
    return { update: (event) => printJson({ event: 'progress', step: label, ...event }), stop: () => {} };
  return process.stderr.isTTY ? barView(label, unit) : lineView(label, unit);
}

/** The same for a step that says only how much of a total is done. */
export function stepsView(label: string, unit: string, total: number, json = false) {
  const view = progressView(label, unit, json);
  const meter = new RateMeter(total);
  return { update: (done: number) => view.update(meter.update(done)), stop: () => view.stop() };
}

function barView(label: string, unit: string): ProgressView {
  let bars: MultiBar | undefined;
  let bar: ReturnType<MultiBar['create']> | undefined;
  return {
    update({ done, total, rate, eta }, note) {
      const payload = {
        speed: rate.toFixed(rate < 10 ? 1 : 0),
        left: duration(eta),
        note: note ? ` · ${note}` : '',
      };
      bars ??= new MultiBar(
        {
          format: `${label} {bar} {value}/{total} ${unit} · {speed}/s · {left} left{note}`,
          hideCursor: true,
          clearOnComplete: false,
          stream: process.stderr,
          gracefulExit: false,
        },
        Presets.shades_classic,
      );
      bar ??= bars.create(total, 0, payload);
      bar.setTotal(total);
      bar.update(done, payload);
    },
    // What comes after it is drawn by another: one that was stopped never draws again.
    stop() {
      bars?.stop();
      bars = bar = undefined;
    },
  };
}

function lineView(label: string, unit: string): ProgressView {
  let shown = -1;
  return {
    update({ done, total, rate, eta }, note) {
      const tenth = Math.floor((10 * done) / total);
      if (tenth === shown) return;
      shown = tenth;
      const tail = note ? ` · ${note}` : '';
      process.stderr.write(
        `${label} ${done}/${total} ${unit} · ${rate.toFixed(1)}/s · ${duration(eta)} left${tail}\n`,
      );
    },
    stop: () => {},
  };
}

/** 75 → "1m15s" */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?';
  const whole = Math.max(0, Math.round(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  if (h > 0) return `${h}h${String(m).padStart(2, '0')}m`;
  return m > 0 ? `${m}m${String(s).padStart(2, '0')}s` : `${s}s`;
}
