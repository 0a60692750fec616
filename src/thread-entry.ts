import { fileURLToPath, pathToFileURL } from 'node:url';

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
