import { defaultRepeatStrategy } from 'bullmq';
import { FoilbankError, reasonOf } from '../errors.js';
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
  readonly request: FlowRequest;
}

const idOf = (bank: string): string => `refresh-${bank}`;

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
  const repeat = { pattern, tz: timeZone };
  if (nextOf(repeat, invalid) === undefined) throw invalid('its day never comes');
  const id = idOf(data.bank);
  await queues.publish.upsertJobScheduler(id, repeat, { name: 'due', data: data as never });
  return new Date((await queues.publish.getJobScheduler(id))?.next ?? Number.NaN);
}

function nextOf(repeat: { pattern: string; tz: string }, invalid: (reason: string, cause: unknown) => Error) {
  try {
    return defaultRepeatStrategy(Date.now(), repeat);
  } catch (error) {
    throw invalid(reasonOf(error), error);
  }
}

export async function listSchedules(queues: Queues): Promise<readonly ScheduleState[]> {
  const all = await queues.publish.getJobSchedulers(0, -1, true);
  return all.map(({ pattern = '', tz = 'UTC', next, template }) => {
    const request = checkPayload('request', template?.data);
    return {
      ...{ pattern, timeZone: tz, bank: request.bank, request },
      next: next ? new Date(next) : undefined,
    };
  });
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
