import * as real from 'node:fs/promises';
import type { FileSystem } from '../../../src/bank/file-store.js';

const CALLS = ['link', 'mkdir', 'open', 'readdir', 'rename', 'stat', 'unlink'];
const HANDLE_CALLS = ['stat', 'read', 'writeFile', 'sync'];

/**
 * The real file system, which awaits `onStep` before each of its steps: what that throws, the step fails with; while it
 * waits, the step is not taken.
 */
export function steppingFs(onStep: (step: string) => void | Promise<void>): FileSystem {
  const stepped = <T extends object>(target: T, names: readonly string[]): T =>
    new Proxy(target, {
      get(_, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        if (!names.includes(String(name))) return value.bind(target);
        return async (...args: unknown[]) => {
          await onStep(String(name));
          const result: unknown = await value.apply(target, args);
          return name === 'open' ? stepped(result as object, HANDLE_CALLS) : result;
        };
      },
    });
  return stepped({ ...real }, CALLS);
}
