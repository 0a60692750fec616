import { type ChildProcess, spawn } from 'node:child_process';

/**
 * Ends a child with this process, however this one ends: a shell waits for its input to end, which it does with this process,
 * and then kills the child.
 */
export function tied<C extends ChildProcess>(child: C): C {
  if (child.pid === undefined) return child;
  const watcher = spawn('sh', ['-c', 'read -r _; kill -9 "$1"', 'sh', String(child.pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  child.once('exit', () => watcher.kill('SIGKILL'));
  return child;
}
