import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker, type WorkerOptions } from 'node:worker_threads';

/**
 * URL of a worker thread's compiled entry file, resolved beside the module that starts it.
 *
 * Node starts worker threads from JavaScript only. When the module itself runs from TypeScript sources (the test
 * runner does that), the compiled twin under `dist/` is used.
 *
 * @param moduleUrl `import.meta.url` of the caller
 * @param entry file name relative to the caller, for example `./inference-thread.js`
 */
export function threadEntry(moduleUrl: string, entry: string): URL {
  const url = new URL(entry, moduleUrl);
  if (!moduleUrl.endsWith('.ts')) return url;
  const root = fileURLToPath(new URL('..', import.meta.url));
  const relative = fileURLToPath(url).slice(root.length);
  return pathToFileURL(`${root}dist/${relative}`);
}

/**
 * A thread that runs {@link threadEntry}. It takes over Node's options, but not in a program that was given as text
 * (`node --input-type=module -e …`): with that option no file can be run, and those left of the others may be none for threads.
 */
export function startThread(moduleUrl: string, entry: string, options: WorkerOptions = {}): Worker {
  const isText = process.execArgv.some((option) => option.startsWith('--input-type'));
  return new Worker(threadEntry(moduleUrl, entry), { ...(isText ? { execArgv: [] } : {}), ...options });
}
