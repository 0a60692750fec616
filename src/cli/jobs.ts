import { Command } from 'commander';
import {
  cancelFlow,
  type FlowDetails,
  type FlowView,
  failedChunks,
  listFlows,
  retryFlow,
  showFlow,
} from '../jobs/index.js';
import { type ContextOf, print, printJson, say } from './context.js';
import { followFlow } from './follow-flow.js';
import { withQueues } from './job-context.js';
import { whole } from './options.js';
import { table } from './table.js';

interface ListOptions {
  readonly limit: number;
  readonly chunks?: boolean;
  readonly json?: boolean;
}

export function jobsCommand(context: ContextOf): Command {
  const jobs = new Command('jobs');
  jobs
    .command('list')
    .description('refreshes, newest first')
    .option('--limit <count>', 'how many', whole(1, 10_000), 20)
    .option('--chunks', 'chunks that failed for good, instead')
    .option('--json', 'as JSON lines')
    .addHelpText('after', '\nExamples:\n  foilbank jobs list\n  foilbank jobs list --chunks --json')
    .action(({ limit, chunks, json }: ListOptions) =>
      withQueues(async (queues) => {
        if (chunks) return listChunks(await failedChunks(queues, limit), json);
        const views = await listFlows(queues, limit);
        if (json) return views.forEach(printJson);
        if (views.length === 0) return say('no refresh is known; `foilbank enqueue refresh` begins one');
        print(table(['id', 'bank', 'kind', 'status', 'chunks', 'begun (UTC)', 'note'], views.map(row)));
      }),
    );
  jobs
    .command('show')
    .description('everything about one of them')
    .argument('<id>')
    .option('--json', 'as JSON')
    .addHelpText('after', '\nExample:\n  foilbank jobs show default-0a1b2c3d4e5f')
    .action((id: string, { json }: ListOptions) =>
      withQueues(async (queues) => {
        const details = await showFlow(queues, id);
        if (json) return printJson(details);
        print(describe(details));
      }),
    );
  jobs
    .command('watch')
    .description('show how far one is until it ends; Ctrl-C stops only the showing')
    .argument('<id>')
    .option('--json', 'as JSON lines')
    .addHelpText('after', '\nExample:\n  foilbank jobs watch default-0a1b2c3d4e5f')
    .action((id: string, { json }: ListOptions, self: Command) => {
      const own = context(self);
      return withQueues((queues) => followFlow(queues, id, json ?? false, own.signal));
    });
  jobs
    .command('retry')
    .description('try a failed one again; what is in the store is not made again')
    .argument('<id>')
    .addHelpText('after', '\nExample:\n  foilbank jobs retry default-0a1b2c3d4e5f')
    .action((id: string) =>
      withQueues(async (queues) => {
        await retryFlow(queues, id);
        say(`${id} is in the queue again`);
      }),
    );
  jobs
    .command('cancel')
    .description('cancel one; the version in service stays, and so do faces that were made')
    .argument('<id>')
    .addHelpText('after', '\nExample:\n  foilbank jobs cancel default-0a1b2c3d4e5f')
    .action((id: string) =>
      withQueues(async (queues) => {
        await cancelFlow(queues, id);
        say(`${id} will end as cancelled`);
      }),
    );
  return jobs;
}

const chunksOf = ({ chunks: { done, failed, total } }: FlowView): string =>
  total === 0 ? '–' : `${done}/${total}${failed ? `, ${failed} failed` : ''}`;

function describe({ log, failures, payload, chunks, seeds, ...view }: FlowDetails): string {
  const rows: [string, unknown][] = [
    ...Object.entries(view),
    ['chunks', chunksOf({ chunks, seeds, ...view })],
    ['seeds', seeds.total === 0 ? '–' : `${seeds.done}/${seeds.total}`],
    ...failures.map((f): [string, unknown] => [`failed`, `seeds ${f.seeds}: ${f.reason}`]),
    ...log.map((line): [string, unknown] => ['log', line]),
    ['payload', JSON.stringify(payload)],
  ];
  return rows.map(([name, value]) => `${name.padEnd(12)} ${value}`).join('\n');
}

function row(view: FlowView): string[] {
  const { id, bank, kind, status, createdAt, step, reason, version } = view;
  const note = reason ?? step ?? (version ? `version ${version}` : '');
  return [
    id,
    bank,
    kind,
    status,
    chunksOf(view),
    createdAt.slice(0, 19).replace('T', ' '),
    note.slice(0, 70),
  ];
}

function listChunks(chunks: Awaited<ReturnType<typeof failedChunks>>, json?: boolean): void {
  if (json) chunks.forEach(printJson);
  else if (chunks.length === 0) say('no chunk failed for good');
  else
    print(
      table(
        ['id', 'reason'],
        chunks.map(({ id, reason }) => [id, reason.slice(0, 100)]),
      ),
    );
}
