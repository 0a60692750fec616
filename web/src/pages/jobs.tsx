import { useEffect, useState } from 'preact/hooks';
import type { Job } from '../../../src/gen/index.js';
import { bank as bankService } from '../api.js';
import { currentBank } from '../banks.js';
import { date } from '../format.js';
import { ENDED } from '../job-states.js';
import { JobRow } from '../parts/job-row.js';
import { ProblemNote } from '../parts/problem-note.js';
import { RefreshForm } from '../parts/refresh-form.js';
import { Wide } from '../parts/wide.js';
import { may } from '../session.js';
import { useTask } from '../use-task.js';

const EVERY_MS = 5000;

/** Refreshes as they go on, and when the next ones are due. */
export function Jobs() {
  const admin = may('admin');
  const jobs = useTask(admin ? (signal) => bankService.listJobs({ limit: 50 }, { signal }) : undefined, [
    admin,
  ]);
  const schedules = useTask(admin ? (signal) => bankService.listSchedules({}, { signal }) : undefined, [
    admin,
  ]);
  // A row follows its own job; looking again finds new ones.
  useEffect(() => {
    const timer = setInterval(
      () => document.visibilityState === 'visible' && !jobs.busy && jobs.again(),
      EVERY_MS,
    );
    return () => clearInterval(timer);
  }, [jobs.busy]);
  const [newest, setNewest] = useState('');
  if (!admin)
    return (
      <>
        <h1>Jobs</h1>
        <p class="note">Jobs are for keys with the scope admin.</p>
      </>
    );
  if (jobs.problem?.code === 'FB_REDIS_UNSET')
    return (
      <>
        <h1>Jobs</h1>
        <p class="lead">There is no queue here.</p>
        <ProblemNote problem={jobs.problem} again={jobs.again} />
      </>
    );
  const listed: readonly Job[] = jobs.value?.jobs ?? [];
  const running = listed.filter(({ status }) => !ENDED.has(status)).length;
  return (
    <>
      <h1>Jobs</h1>
      <p class="lead" aria-live="polite">
        {running === 0
          ? 'Nothing is running.'
          : running === 1
            ? 'One job is under way.'
            : `${running} jobs are under way.`}
      </p>
      <ProblemNote problem={jobs.problem} again={jobs.again} />
      <RefreshForm
        bank={currentBank()}
        onStarted={(id) => {
          setNewest(id);
          jobs.again();
        }}
      />
      {listed.length > 0 && (
        <ul class="jobs" aria-label="Jobs, newest first">
          {listed.map((job) => (
            <JobRow key={job.id} job={job} marked={job.id === newest} onChange={jobs.again} />
          ))}
        </ul>
      )}
      <h2>Schedule</h2>
      <ProblemNote problem={schedules.problem} again={schedules.again} />
      {schedules.value?.schedules.length === 0 && (
        <p>
          No bank is refreshed by itself. <code>foilbank schedule set default --cron "0 3 * * *"</code> makes
          it nightly.
        </p>
      )}
      {!!schedules.value?.schedules.length && (
        <Wide label="Schedules">
          <table>
            <thead>
              <tr>
                <th scope="col">bank</th>
                <th scope="col">pattern</th>
                <th scope="col">time zone</th>
                <th scope="col">next</th>
              </tr>
            </thead>
            <tbody>
              {schedules.value.schedules.map(({ bank, pattern, timeZone, nextAt }) => (
                <tr key={bank}>
                  <th scope="row">{bank}</th>
                  <td>
                    <code>{pattern}</code>
                  </td>
                  <td>{timeZone}</td>
                  <td>{date(nextAt)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Wide>
      )}
      <p>
        <a href={`${import.meta.env.BASE_URL}queues/`}>The raw queues</a>
      </p>
    </>
  );
}
