import { type DestinationStream, type Logger, pino } from 'pino';

export type { Logger };

/**
 * The log of a long-running process: JSON lines on stderr (level: FOILBANK_LOG_LEVEL, default info). Callers name the fields
 * that they log one by one; no embedding, photo or key is ever among them.
 */
export function createLog(
  env: Readonly<Record<string, string | undefined>> = process.env,
  to: DestinationStream = process.stderr,
): Logger {
  const level = env.FOILBANK_LOG_LEVEL ?? 'info';
  return pino({ name: 'foilbank', level: level in pino.levels.values ? level : 'info' }, to);
}
