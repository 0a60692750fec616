import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import { type BankStore, pinVersion, rollbackBank, unpinVersion } from '../bank/index.js';
import {
  type BankService,
  GetJobResponseSchema,
  type Job,
  JobSchema,
  JobStatus,
  PinResponseSchema,
  RefreshResponseSchema,
  RollbackResponseSchema,
  WatchJobResponseSchema,
} from '../gen/index.js';
import { enqueueFlow, type FlowView, showFlow, watchFlow } from '../jobs/index.js';
import type { QueueDoor } from './queue-door.js';

/** @param onChange told the bank whose version in service may have changed */
export function bankService(
  store: BankStore,
  queues: QueueDoor,
  onChange: (bank: string) => Promise<void>,
  stopping: AbortSignal,
): Partial<ServiceImpl<typeof BankService>> {
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
