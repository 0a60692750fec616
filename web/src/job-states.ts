import { JobStatus } from '../../src/gen/index.js';

export const ENDED: ReadonlySet<JobStatus> = new Set([JobStatus.DONE, JobStatus.FAILED, JobStatus.CANCELLED]);
