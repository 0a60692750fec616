import { execFileSync } from 'node:child_process';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { FileStore } from '../../src/bank/index.js';
import { Makers, runLocally } from '../../src/jobs/index.js';
import { InferencePool } from '../../src/onnx/index.js';
import type { Reference } from './fault-lane.js';
import { shippedFolders, tinyNetworks } from './networks.js';

const sizeOf = (path: string) => Number(execFileSync('du', ['-sk', path]).toString().split('\t')[0]) * 1024;

/** A bank of two versions, and the third as a refresh makes it that nothing disturbs; and the bytes on disk before and at most. */
export async function undisturbed(
  folder: string,
): Promise<Reference & { readonly room: { readonly before: number; readonly peak: number } }> {
  await tinyNetworks(join(folder, 'models'));
  const networks = {
    generator: join(folder, 'models', 'tiny-generator.json'),
    embedder: join(folder, 'models', 'tiny-arcface.json'),
  };
  const pool = new InferencePool({ threads: 2 });
  const store = new FileStore(join(folder, 'reference'));
  const folders = shippedFolders();
  const services = { pool, store, folders, makers: new Makers(pool, folders) };
  const request = { bank: 'blobs', networks, options: { size: 150, chunkSize: 32, minimumScore: 0 } };
  // The second one makes the probes of the gates too.
  for (let i = 0; i < 2; i++) await runLocally(services, request);
  const before = join(folder, 'before');
  cpSync(store.location, before, { recursive: true });
  await runLocally(services, request);
  await pool.close();
  const room = { before: sizeOf(before), peak: 5 * 70_000 + sizeOf(store.location) - sizeOf(before) };
  return { before, store, bank: 'blobs', old: '000002', fresh: '000003', request, room };
}
