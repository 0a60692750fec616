import { setTimeout as sleep } from 'node:timers/promises';
import { reasonOf } from '../errors.js';
import type { Logger } from '../log.js';
import { isNotPermitted } from './open-queues.js';
import type { FlowRequest } from './payloads.js';
import { enqueueFlow, type Queues } from './queues.js';
import { listSchedules, nextDue, type Schedule, type ScheduleState, setSchedule } from './schedules.js';

/** Milliseconds that a due refresh may wait for a worker before its schedule is taken for stuck and set anew. */
const OVERDUE = 10 * 60_000;
/** Milliseconds that two machines' clocks may differ. */
const SKEW = 60_000;

export interface Tending {
  readonly queues: Queues;
  readonly schedule: Schedule;
  readonly request: Omit<FlowRequest, 'version'>;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Milliseconds between looks. Default one minute. */
  readonly every?: number;
}

/**
 * Sets a schedule, and sets it again whenever it is gone, differs, has stopped firing or was put off by a clock that was
 * wrong, until the signal aborts. A refresh that was missed is put into the queue. Any number of processes may do so at once;
 * one whose clock is wrong leaves the schedule to the others.
 *
 * @throws FoilbankError FB_SCHEDULE_INVALID
 */
export async function tendSchedule(tending: Tending): Promise<void> {
  const { log, signal, every = 60_000 } = tending;
  await set(tending, 'start');
  while (!signal.aborted) {
    await sleep(every, undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
    try {
      await look(tending);
    } catch (error) {
      log.warn({ reason: reasonOf(error) }, 'the schedule could not be looked at');
    }
  }
}

async function look(tending: Tending): Promise<void> {
  const { queues, request, log } = tending;
  const ahead = await clockAhead(queues);
  if (Math.abs(ahead) > SKEW) {
    const remedy = 'Set the clock of this machine (NTP), or that of the Redis.';
    log.warn(
      { secondsAhead: Math.round(ahead / 1000), remedy },
      'this clock differs from that of Redis; it sets nothing',
    );
    return;
  }
  const found = (await listSchedules(queues)).find(({ bank }) => bank === request.bank);
  const why = await whatIsWrong(tending, found);
  if (why === undefined) return;
  if (why === 'it had stopped') {
    const { id } = await enqueueFlow(queues, request);
    log.info({ bank: request.bank, job: id }, 'a refresh was missed and is in the queue now');
  }
  await set(tending, why);
}

async function set({ queues, schedule, request, log }: Tending, why: string): Promise<void> {
  const next = await setSchedule(queues, schedule, request);
  log.info({ bank: request.bank, ...schedule, next: next.toISOString(), why }, 'schedule set');
}

/** @returns why a schedule must be set anew, if it must */
async function whatIsWrong(
  { queues, schedule }: Tending,
  found: ScheduleState | undefined,
): Promise<string | undefined> {
  if (!found) return 'it was gone';
  // A newer release tends it too, and knows better.
  if (found.problem) return found.problem.code === 'FB_JOB_NEWER' ? undefined : 'it could not be read';
  const { bank, pattern, timeZone, next } = found;
  if (pattern !== schedule.pattern || timeZone !== schedule.timeZone) return 'it differed';
  const now = Date.now();
  if (!next || now - next.getTime() > OVERDUE) return 'it had stopped';
  // A worker whose clock is a little ahead has dealt with what is due here in a moment.
  const { next: latest } = await nextDue(queues, bank, schedule, now + 2 * SKEW);
  return latest !== undefined && next.getTime() > latest ? 'it was put off' : undefined;
}

/** Milliseconds that this machine's clock is ahead of that of Redis; 0 where this user may not ask for it. */
async function clockAhead({ settings: { connection } }: Queues): Promise<number> {
  try {
    const [seconds, microseconds] = await connection.time();
    return Date.now() - (Number(seconds) * 1000 + Number(microseconds) / 1000);
  } catch (error) {
    if (isNotPermitted(error)) return 0;
    throw error;
  }
}
