import { useEffect, useRef, useState } from 'preact/hooks';
import { type Job, JobStatus } from '../../../src/gen/index.js';
import { bank as bankService } from '../api.js';
import { age, count, date, seconds } from '../format.js';
import { ENDED } from '../job-states.js';
import { type Problem, problemOf } from '../problem.js';
import { Confirm } from './confirm.js';
import { ProblemNote } from './problem-note.js';

const NAME: Readonly<Record<JobStatus, string>> = {
  [JobStatus.UNSPECIFIED]: 'unknown',
  [JobStatus.WAITING]: 'waiting',
  [JobStatus.GENERATING]: 'making faces',
  [JobStatus.ASSEMBLING]: 'assembling',
  [JobStatus.RETRYING]: 'to be tried again',
  [JobStatus.DONE]: 'done',
  [JobStatus.FAILED]: 'failed',
  [JobStatus.CANCELLED]: 'cancelled',
  [JobStatus.CANCELLING]: 'being cancelled',
};

/** One job, followed by the server's stream until it ends. */
export function JobRow({
  job: listed,
  marked,
  onChange,
}: {
  job: Job;
  marked: boolean;
  onChange: () => void;
}) {
  const [job, setJob] = useState(listed);
  const [problem, setProblem] = useState<Problem>();
  const [asking, setAsking] = useState(false);
  const ended = ENDED.has(job.status);
  useEffect(() => setJob(listed), [listed]);
  useEffect(() => (ended ? undefined : follow(listed.id, setJob, onChange)), [listed.id, ended]);
  const left = useTimeLeft(job);
  const change = (call: () => Promise<unknown>) => {
    setProblem(undefined);
    call().then(onChange, (error: unknown) => setProblem(problemOf(error)));
  };
  const done = Number(job.seedsDone);
  const total = Number(job.seedsTotal);
  return (
    <li class={marked ? 'job chosen' : 'job'}>
      <p>
        <strong>{job.bank}</strong> <span class={`state state-${job.status}`}>{NAME[job.status]}</span>
        {job.version && ` as version ${job.version}`}
        <span class="quiet" title={date(job.createdAt)}>
          {' '}
          {age(job.createdAt)} · <code>{job.id}</code>
          {job.tries > 1 && ` · try ${job.tries}`}
        </span>
      </p>
      {!ended && (
        <>
          <progress value={done} max={total || 1} aria-label={`${job.bank}: seeds done`} />
          <p class="quiet">
            {total === 0 ? 'No worker has taken it up yet.' : <Progress job={job} />}
            {left !== undefined && ` · about ${seconds(left)} left`}
          </p>
        </>
      )}
      {job.reason && job.status !== JobStatus.CANCELLED && <p class="note">{job.reason}</p>}
      <ProblemNote problem={problem} />
      <p class="actions">
        {job.status === JobStatus.FAILED && (
          <button
            type="button"
            class="small secondary"
            onClick={() => change(() => bankService.retryJob({ jobId: job.id }))}
          >
            Try again
          </button>
        )}
        {!ended && job.status !== JobStatus.CANCELLING && (
          <button type="button" class="small secondary" onClick={() => setAsking(true)}>
            Cancel
          </button>
        )}
      </p>
      {asking && (
        <Confirm
          question={`Cancel this job of ${job.bank}?`}
          explanation="Chunks under way are finished; what was made is kept for the next refresh of the same seeds."
          action="Cancel the job"
          onDone={(yes) => {
            setAsking(false);
            if (yes) change(() => bankService.cancelJob({ jobId: job.id }));
          }}
        />
      )}
    </li>
  );
}

function Progress({ job }: { job: Job }) {
  return (
    <>
      {count(job.seedsDone)} of {count(job.seedsTotal)} seeds, {count(job.chunksDone)} of{' '}
      {count(job.chunksTotal)} chunks
      {job.chunksFailed > 0 && `, ${count(job.chunksFailed)} failed`}
    </>
  );
}

function follow(jobId: string, onJob: (job: Job) => void, onEnd: () => void): () => void {
  const control = new AbortController();
  void (async () => {
    try {
      // A refresh may take the night: no deadline.
      for await (const { job } of bankService.watchJob({ jobId }, { signal: control.signal, timeoutMs: 0 }))
        if (job) onJob(job);
      onEnd();
    } catch {
      // The list is asked for again anyhow, and says what is wrong.
    }
  })();
  return () => control.abort();
}

/** Seconds, by what was done since the row appeared. */
function useTimeLeft(job: Job): number | undefined {
  const start = useRef<{ at: number; done: number }>();
  if (job.status !== JobStatus.GENERATING) return undefined;
  const done = Number(job.seedsDone);
  start.current ??= { at: performance.now(), done };
  const rate = (done - start.current.done) / ((performance.now() - start.current.at) / 1000);
  return rate > 0 ? (Number(job.seedsTotal) - done) / rate : undefined;
}
