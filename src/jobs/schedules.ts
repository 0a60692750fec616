import { defaultRepeatStrategy } from 'bullmq';
import { type ErrorCode, FoilbankError, reasonOf } from '../errors.js';
import { checkPayload, type FlowRequest, PAYLOAD_VERSION } from './payloads.js';
import { enqueueFlow, type Queues } from './queues.js';

export interface Schedule {
  /** A cron pattern of five or six fields. */
  readonly pattern: string;
  /** An IANA time zone. */
  readonly timeZone: string;
}

export interface ScheduleState extends Schedule {
  readonly bank: string;
  readonly next: Date | undefined;
  /** Absent where this release cannot read it; `problem` then says why. */
  readonly request?: FlowRequest;
  readonly problem?: { readonly code: ErrorCode; readonly message: string };
}

const PREFIX = 'refresh-';
const idOf = (bank: string): string => `${PREFIX}${bank}`;

/**
 * Sets when a bank is refreshed, in place of what was set before. The same schedule set twice, or by two processes, is one.
 *
 * @returns the time of the next refresh
 * @throws FoilbankError FB_SCHEDULE_INVALID, FB_JOB_INVALID
 */
export async function setSchedule(
  queues: Queues,
  { pattern, timeZone }: Schedule,
  request: Omit<FlowRequest, 'version'>,
): Promise<Date> {
  const data = checkPayload('request', { version: PAYLOAD_VERSION, ...request });
  const invalid = (reason: string, cause?: unknown) =>
    new FoilbankError('FB_SCHEDULE_INVALID', { pattern, timeZone, reason }, { cause });
  if (!isTimeZone(timeZone)) throw invalid('no time zone has this name');
  if (![5, 6].includes(pattern.trim().split(/\s+/).length)) throw invalid('it has not five or six fields');
  const schedule = { pattern, timeZone };
  if (nextOf(schedule, invalid) === undefined) throw invalid('its day never comes');
  const id = idOf(data.bank);
  const now = Date.now();
  const { after } = await nextDue(queues, data.bank, schedule, now);
  const repeat = { pattern, tz: timeZone, ...(after > now ? { startDate: after } : {}) };
  await queues.publish.upsertJobScheduler(id, repeat, { name: 'due', data: data as never });
  return new Date((await queues.publish.getJobScheduler(id))?.next ?? Number.NaN);
}

function nextOf(schedule: Schedule, invalid: (reason: string, cause: unknown) => Error): number | undefined {
  try {
    return nextRun(schedule, Date.now());
  } catch (error) {
    throw invalid(reasonOf(error), error);
  }
}

const nextRun = ({ pattern, timeZone }: Schedule, after: number): number | undefined =>
  defaultRepeatStrategy(after, { pattern, tz: timeZone });

/**
 * The next time that is due after a time. One that was dealt with too early, by a worker whose clock was ahead, is not due again:
 * that worker would take it at once, over and over.
 *
 * @returns milliseconds since 1970: `next` (undefined when never again), and `after`, the time itself or the last one passed over
 */
export async function nextDue(
  queues: Queues,
  bank: string,
  schedule: Schedule,
  after: number,
): Promise<{ next: number | undefined; after: number }> {
  const next = nextRun(schedule, after);
  const job = next === undefined ? undefined : await queues.publish.getJob(`repeat:${idOf(bank)}:${next}`);
  return next !== undefined && job?.finishedOn !== undefined
    ? nextDue(queues, bank, schedule, next)
    : { next, after };
}

/** All that is set. One that this release cannot read does not hide the others. */
export async function listSchedules(queues: Queues): Promise<readonly ScheduleState[]> {
  const all = await queues.publish.getJobSchedulers(0, -1, true);
  return all.map(({ key, pattern = '', tz = 'UTC', next, template }) => ({
    ...{ pattern, timeZone: tz, bank: key.startsWith(PREFIX) ? key.slice(PREFIX.length) : key },
    next: next ? new Date(next) : undefined,
    ...readable(template?.data),
  }));
}

function readable(data: unknown): Pick<ScheduleState, 'request' | 'problem'> {
  try {
    return { request: checkPayload('request', data) };
  } catch (error) {
    if (!(error instanceof FoilbankError)) throw error;
    const { code, message } = error;
    return { problem: { code, message } };
  }
}

/** @throws FoilbankError FB_SCHEDULE_NOT_FOUND */
export async function removeSchedule(queues: Queues, bank: string): Promise<void> {
  if (!(await queues.publish.removeJobScheduler(idOf(bank))))
    throw new FoilbankError('FB_SCHEDULE_NOT_FOUND', { bank });
}

/**
 * Job `due` of queue `publish`: a schedule's hour has come. Payload: `FlowRequest`. Effect: a refresh is in the queue, unless
 * one of this bank is waiting or running.
 */
export async function enqueueDue(queues: Queues, data: unknown): Promise<{ id: string; joined: boolean }> {
  const { version: _, ...request } = checkPayload('request', data);
  return enqueueFlow(queues, request);
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
