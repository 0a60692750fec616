import { Command } from 'commander';
import { listSchedules, removeSchedule, setSchedule } from '../jobs/index.js';
import { DEFAULT_BANK } from './bank-options.js';
import { print, printJson, say } from './context.js';
import { withQueues } from './job-context.js';
import { whole } from './options.js';
import { table } from './table.js';

interface SetOptions {
  readonly cron: string;
  readonly tz: string;
  readonly size?: number;
  readonly keep?: number;
  readonly json?: boolean;
}

export function scheduleCommand(): Command {
  const schedule = new Command('schedule');
  schedule
    .command('set')
    .description('refresh a bank at these times, in place of what was set before')
    .argument('[bank]', 'its name', DEFAULT_BANK)
    .requiredOption('--cron <pattern>', 'five cron fields: minute, hour, day, month, weekday')
    .option('--tz <zone>', 'IANA time zone of the pattern', 'UTC')
    .option('--size <count>', 'candidates wanted (default: as in service)', whole(1, 2_000_000))
    .option('--keep <count>', 'versions to keep afterwards, besides pinned ones', whole(1, 1000))
    .option('--json', 'the result as JSON')
    .addHelpText(
      'after',
      "\nExample:\n  foilbank schedule set --cron '30 3 * * *' --tz Europe/Berlin --keep 7",
    )
    .action((bank: string, { cron, tz, size, keep, json }: SetOptions) =>
      withQueues(async (queues) => {
        const options = size === undefined ? {} : { size };
        const request = { bank, options, networks: {}, ...(keep === undefined ? {} : { keep }) };
        const next = await setSchedule(queues, { pattern: cron, timeZone: tz }, request);
        if (json) return printJson({ bank, pattern: cron, timeZone: tz, next });
        say(`bank ${bank} is refreshed next at ${next.toISOString()}`);
      }),
    );
  schedule
    .command('list')
    .description('what is set')
    .option('--json', 'as JSON lines')
    .addHelpText('after', '\nExample:\n  foilbank schedule list')
    .action(({ json }: { json?: boolean }) =>
      withQueues(async (queues) => {
        const all = await listSchedules(queues);
        if (json) return all.forEach(printJson);
        if (all.length === 0) return say('nothing is scheduled; `foilbank schedule set` does it');
        const rows = all.map(({ bank, pattern, timeZone, next, problem }) => [
          ...[bank, pattern, timeZone, next?.toISOString() ?? 'never'],
          problem ? `${problem.code}: ${problem.message}` : '',
        ]);
        print(table(['bank', 'cron', 'time zone', 'next', 'note'], rows));
      }),
    );
  schedule
    .command('remove')
    .description('refresh a bank by the clock no more')
    .argument('[bank]', 'its name', DEFAULT_BANK)
    .addHelpText('after', '\nExample:\n  foilbank schedule remove')
    .action((bank: string) =>
      withQueues(async (queues) => {
        await removeSchedule(queues, bank);
        say(`bank ${bank} is refreshed by the clock no more`);
      }),
    );
  return schedule;
}
