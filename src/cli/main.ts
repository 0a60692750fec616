#!/usr/bin/env node
import { CommanderError } from 'commander';
import pc from 'picocolors';
import { FoilbankError } from '../errors.js';
import { stopSignal } from '../stop-signal.js';
import { program } from './program.js';
import { Reported } from './reported.js';

/** Exit codes: 0 done, 1 failed, 2 wrong usage, 3 partly done (some inputs failed, listed), 130 interrupted. */
const controller = stopSignal(() => {
  process.stderr.write('\nstopping at the next safe point; once more stops at once\n');
});
// A reader that went away (`foilbank … | head`) is no failure: nobody wants the rest.
let unread = false;
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  unread = true;
  controller.abort(new FoilbankError('FB_CANCELLED', { what: 'the reader went away' }));
});

function exitCodeOf(error: unknown): number {
  if (unread) return 0;
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof Reported) return error.exitCode;
  const json = process.argv.includes('--json');
  if (error instanceof FoilbankError) {
    const { code, message, remedy, details } = error;
    if (json) process.stderr.write(`${JSON.stringify({ event: 'error', code, message, remedy, details })}\n`);
    else process.stderr.write(`${pc.red('error')} ${code}: ${message}\n${remedy}\n`);
    if (code === 'FB_CANCELLED') return 130;
    return code === 'FB_OPTION_INVALID' ? 2 : 1;
  }
  const told = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(
    `${pc.red('error')} FB_UNEXPECTED: this is a defect of Foilbank, please report it\n${told}\n`,
  );
  return 1;
}

try {
  const command = await program(controller.signal, process.argv.slice(2));
  await command.parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
}
