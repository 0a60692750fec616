import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type BankDraft, type CandidateTable, emptyTable, FileStore } from '../../../src/bank/index.js';

/** Candidates with seeds first, first + 3, … and embeddings that only `salt` and the row decide. */
export function someCandidates(rows: number, dimension = 8, salt = 1, first = 5): CandidateTable {
  const table = emptyTable(rows, dimension);
  for (let row = 0; row < rows; row++) {
    table.seeds[row] = first + 3 * row;
    table.psi[row] = 0.7;
    table.scores[row] = 1 - row / (2 * rows);
    const values = Array.from(
      { length: dimension },
      (_, i) => Math.sin(1 + i + row * 1.7 + salt * 13.1) + 0.01,
    );
    const norm = Math.hypot(...values);
    table.embeddings.set(
      values.map((x) => x / norm),
      row * dimension,
    );
  }
  return table;
}

export function draftOf(candidates: CandidateTable, more: Partial<BankDraft> = {}): BankDraft {
  const accepted = candidates.seeds.length;
  const network = (name: string) => ({
    name,
    sha256: name.repeat(64).slice(0, 64),
    cardSha256: name.repeat(64).slice(0, 64),
    licence: 'CC0-1.0',
  });
  return {
    candidates,
    inputs: {
      generator: network('a'),
      embedder: { ...network('b'), dimension: candidates.dimension, samePersonCeiling: 0.9 },
      detector: network('c'),
      psi: 0.7,
      seeds: { epoch: 0, first: 0, count: accepted + 10 },
      chunkSize: 512,
      gates: { minimumScore: 0.5, duplicateCeiling: 0.95 },
    },
    counts: { generated: accepted + 10, accepted, rejected: { score: 7, duplicate: 3 } },
    parameters: {
      operator: 'standardise',
      neighbours: 64,
      lambda: 1,
      engine: 'exact',
      index: {},
      calibration: { kind: 'none' },
    },
    gateResults: [{ gate: 'yield', passed: true, value: 0.93, limit: 0.5 }],
    ...more,
  };
}

/** A table as something that is compared at once: element by element takes a test runner seconds. */
export function hashOf(table: CandidateTable): string {
  const hash = createHash('sha256').update(String(table.dimension));
  for (const { buffer, byteOffset, byteLength } of [table.seeds, table.psi, table.scores, table.embeddings])
    hash.update(String(byteLength)).update(new Uint8Array(buffer, byteOffset, byteLength));
  return hash.digest('hex');
}

export const CREATED = new Date('2024-02-29T12:00:00Z');

/** A directory that goes when the test ends. */
export async function someDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'foilbank-store-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

export async function someStore(): Promise<FileStore> {
  return new FileStore(await someDirectory());
}
