import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import { type BankStore, pinVersion, rollbackBank, unpinVersion } from '../bank/index.js';
import {
  type BankService,
  CancelJobResponseSchema,
  GetJobResponseSchema,
  type Job,
  JobSchema,
  JobStatus,
  ListJobsResponseSchema,
  ListSchedulesResponseSchema,
  PinResponseSchema,
  RefreshResponseSchema,
  RetryJobResponseSchema,
  RollbackResponseSchema,
  ScheduleSchema,
  WatchJobResponseSchema,
} from '../gen/index.js';
import {
  cancelFlow,
  enqueueFlow,
  type FlowView,
  listFlows,
  listSchedules,
  retryFlow,
  showFlow,
  watchFlow,
} from '../jobs/index.js';
import type { QueueDoor } from './queue-door.js';

/** Jobs of a list that no limit was given for. */
const LISTED = 50;

/** @param onChange told the bank whose version in service may have changed */
export function bankService(
  store: BankStore,
  queues: QueueDoor,
  onChange: (bank: string) => Promise<void>,
  stopping: AbortSignal,
): ServiceImpl<typeof BankService> {
  return {
    refresh: async ({ bank, size, force, acceptShift, keep }) => {
      const request = {
        ...{ bank, networks: {}, options: size === undefined ? {} : { size } },
        ...(force ? { force } : {}),
        ...(acceptShift ? { acceptShift } : {}),
        ...(keep === undefined ? {} : { keep }),
      };
      const { id, joined } = await queues.use((open) => enqueueFlow(open, request));
      return create(RefreshResponseSchema, { jobId: id, joined });
    },
    getJob: async ({ jobId }) => {
      const view = await queues.use((open) => showFlow(open, jobId));
      return create(GetJobResponseSchema, { job: jobOf(view) });
    },
    listJobs: async ({ limit }) => {
      const views = await queues.use((open) => listFlows(open, limit || LISTED));
      return create(ListJobsResponseSchema, { jobs: views.map(jobOf) });
    },
    retryJob: async ({ jobId }) => {
      const view = await queues.use(async (open) => {
        await retryFlow(open, jobId);
        return showFlow(open, jobId);
      });
      return create(RetryJobResponseSchema, { job: jobOf(view) });
    },
    cancelJob: async ({ jobId }) => {
      const view = await queues.use(async (open) => {
        await cancelFlow(open, jobId);
        return showFlow(open, jobId);
      });
      return create(CancelJobResponseSchema, { job: jobOf(view) });
    },
    listSchedules: async () => {
      const all = await queues.use(listSchedules);
      const schedules = all.map(({ bank, pattern, timeZone, next }) =>
        create(ScheduleSchema, {
          ...{ bank, pattern, timeZone },
          ...(next ? { nextAt: timestampFromDate(next) } : {}),
        }),
      );
      return create(ListSchedulesResponseSchema, { schedules });
    },
    async *watchJob({ jobId }, { signal }) {
      const open = await queues.open();
      for await (const view of watchFlow(open, jobId, AbortSignal.any([signal, stopping])))
        yield create(WatchJobResponseSchema, { job: jobOf(view) });
    },
    rollback: async ({ bank, version }, { signal }) => {
      const manifest = await rollbackBank(store, bank, { signal, ...(version ? { version } : {}) });
      await onChange(bank);
      return create(RollbackResponseSchema, { version: manifest.version });
    },
    pin: async ({ bank, version, unpin }) => {
      await (unpin ? unpinVersion : pinVersion)(store, bank, version);
      return create(PinResponseSchema);
    },
  };
}

const STATUS: Readonly<Record<FlowView['status'], JobStatus>> = {
  waiting: JobStatus.WAITING,
  generating: JobStatus.GENERATING,
  assembling: JobStatus.ASSEMBLING,
  retrying: JobStatus.RETRYING,
  done: JobStatus.DONE,
  failed: JobStatus.FAILED,
  cancelling: JobStatus.CANCELLING,
  cancelled: JobStatus.CANCELLED,
};

function jobOf(view: FlowView): Job {
  const { id, bank, status, createdAt, finishedAt, tries, chunks, seeds, version, reason } = view;
  return create(JobSchema, {
    ...{ id, bank, status: STATUS[status], tries },
    createdAt: timestampFromDate(new Date(createdAt)),
    ...(finishedAt ? { finishedAt: timestampFromDate(new Date(finishedAt)) } : {}),
    ...{ chunksDone: chunks.done, chunksFailed: chunks.failed, chunksTotal: chunks.total },
    ...{ seedsDone: BigInt(seeds.done), seedsTotal: BigInt(seeds.total) },
    ...(version ? { version } : {}),
    ...(reason ? { reason } : {}),
  });
}
