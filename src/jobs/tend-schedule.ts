import { setTimeout as sleep } from 'node:timers/promises';
import { reasonOf } from '../errors.js';
import type { Logger } from '../log.js';
import type { FlowRequest } from './payloads.js';
import type { Queues } from './queues.js';
import { listSchedules, type Schedule, setSchedule } from './schedules.js';

/** Milliseconds that a due refresh may wait for a worker before its schedule is taken for stuck and set anew. */
const OVERDUE = 10 * 60_000;

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
 * Sets a schedule, and sets it again whenever it is gone, differs, or has stopped firing, until the signal aborts. Any number
 * of processes may do so at once.
 *
 * @throws FoilbankError FB_SCHEDULE_INVALID
 */
export async function tendSchedule({
  queues,
  schedule,
  request,
  log,
  signal,
  every = 60_000,
}: Tending): Promise<void> {
  const set = async (why: string) => {
    const next = await setSchedule(queues, schedule, request);
    log.info({ bank: request.bank, ...schedule, next: next.toISOString(), why }, 'schedule set');
  };
  await set('start');
  while (!signal.aborted) {
    await sleep(every, undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
    try {
      const found = (await listSchedules(queues)).find((s) => s.bank === request.bank);
      if (!found) await set('it was gone');
      else if (found.pattern !== schedule.pattern || found.timeZone !== schedule.timeZone)
        await set('it differed');
      else if (!found.next || Date.now() - found.next.getTime() > OVERDUE) await set('it had stopped');
    } catch (error) {
      log.warn({ reason: reasonOf(error) }, 'the schedule could not be looked at');
    }
  }
}
