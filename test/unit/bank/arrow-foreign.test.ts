import { execFileSync, spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodeCandidates } from '../../../src/bank/arrow.js';
import { someCandidates, someDirectory } from './fixtures.js';

// A bank must open elsewhere, so its files are read here by something other than the library that wrote them.

const ROWS = 5000;
const D = 16;

describe('a candidates file, read from the format specification alone', () => {
  const table = someCandidates(ROWS, D);
  const bytes = Buffer.from(encodeCandidates(table, { note: 'x' }));

  it('is framed as Arrow IPC and holds the columns batch after batch', () => {
    const batches = recordBatches(bytes);
    expect(batches.map((b) => b.rows)).toEqual([2048, 2048, ROWS - 4096]);
    let row = 0;
    for (const { rows, nullCounts, buffers } of batches) {
      expect(nullCounts).toEqual([0, 0, 0, 0, 0, 0]);
      // id: validity, offsets, text. Then validity and values of seed, psi, score; validity of the list; of its items.
      const [, offsets, ids, , seeds, , psi, , scores, , , embeddings] = buffers;
      for (const i of [0, rows - 1]) {
        const seed = table.seeds[row + i] as number;
        expect(seeds?.readBigUInt64LE(8 * i)).toBe(BigInt(seed));
        expect(ids?.toString('utf8', offsets?.readInt32LE(4 * i), offsets?.readInt32LE(4 * i + 4))).toBe(
          `c${seed}`,
        );
        expect(psi?.readFloatLE(4 * i)).toBe(table.psi[row + i]);
        expect(scores?.readFloatLE(4 * i)).toBe(table.scores[row + i]);
      }
      const { embeddings: all } = table;
      const wanted = Buffer.from(all.buffer, 4 * D * row, 4 * D * rows);
      expect(embeddings?.subarray(0, wanted.length).equals(wanted)).toBe(true);
      row += rows;
    }
  });
});

const python = process.env.FOILBANK_PYTHON ?? 'python3';
const pyarrow = spawnSync(python, ['-c', 'import pyarrow']).status === 0;
const title = pyarrow
  ? 'a candidates file, read by pyarrow'
  : 'a candidates file, read by pyarrow (SKIPPED: no pyarrow in python3; name another with FOILBANK_PYTHON)';

describe.skipIf(!pyarrow)(title, () => {
  it('has the documented schema and the rows that were written', async () => {
    const table = someCandidates(ROWS, D);
    const file = join(await someDirectory(), 'x.arrow');
    await writeFile(file, encodeCandidates(table));
    const script = `
import json, sys, pyarrow.feather as feather
t = feather.read_table(sys.argv[1])
t.validate(full=True)
last = {k: v[-1] for k, v in t.to_pydict().items()}
print(json.dumps({'types': [f'{f.name}: {f.type}' for f in t.schema], 'rows': t.num_rows, 'last': last}))`;
    const read = JSON.parse(execFileSync(python, ['-c', script, file], { encoding: 'utf8' }));
    expect(read).toEqual({
      types: [
        'id: string',
        'seed: uint64',
        'psi: float',
        'score: float',
        `embedding: fixed_size_list<item: float not null>[${D}]`,
      ],
      rows: ROWS,
      last: {
        id: `c${table.seeds.at(-1)}`,
        seed: table.seeds.at(-1),
        psi: table.psi.at(-1),
        score: table.scores.at(-1),
        embedding: [...table.embeddings.subarray(-D)],
      },
    });
  });
});

interface Batch {
  readonly rows: number;
  readonly nullCounts: readonly number[];
  readonly buffers: readonly Buffer[];
}

/** https://arrow.apache.org/docs/format/Columnar.html#ipc-file-format, with just enough of flatbuffers. */
function recordBatches(file: Buffer): Batch[] {
  expect(file.toString('latin1', 0, 8)).toBe('ARROW1\0\0');
  expect(file.toString('latin1', file.length - 6)).toBe('ARROW1');
  const footerEnd = file.length - 10;
  const footer = root(file.subarray(footerEnd - file.readInt32LE(footerEnd), footerEnd));
  return structs(footer, 3, 24).map((block) => {
    const at = Number(block.readBigInt64LE(0));
    const metadataLength = block.readInt32LE(8);
    expect(at % 8).toBe(0);
    expect(file.readInt32LE(at)).toBe(-1);
    const message = root(file.subarray(at + 8, at + metadataLength));
    const batch = table(message, 2);
    const body = file.subarray(at + metadataLength, at + metadataLength + Number(block.readBigInt64LE(16)));
    return {
      rows: Number(scalar(batch, 0).readBigInt64LE(0)),
      nullCounts: structs(batch, 1, 16).map((node) => Number(node.readBigInt64LE(8))),
      buffers: structs(batch, 2, 16).map((b) => {
        const start = Number(b.readBigInt64LE(0));
        return body.subarray(start, start + Number(b.readBigInt64LE(8)));
      }),
    };
  });
}

interface FlatTable {
  readonly bytes: Buffer;
  readonly at: number;
}

const root = (bytes: Buffer): FlatTable => ({ bytes, at: bytes.readUInt32LE(0) });

function position({ bytes, at }: FlatTable, field: number): number {
  const vtable = at - bytes.readInt32LE(at);
  const offset = 4 + 2 * field < bytes.readUInt16LE(vtable) ? bytes.readUInt16LE(vtable + 4 + 2 * field) : 0;
  expect(offset).toBeGreaterThan(0);
  return at + offset;
}

const scalar = (t: FlatTable, field: number): Buffer => t.bytes.subarray(position(t, field));

function table(t: FlatTable, field: number): FlatTable {
  const at = position(t, field);
  return { bytes: t.bytes, at: at + t.bytes.readUInt32LE(at) };
}

function structs(t: FlatTable, field: number, size: number): Buffer[] {
  const { bytes, at } = table(t, field);
  return Array.from({ length: bytes.readUInt32LE(at) }, (_, i) =>
    bytes.subarray(at + 4 + size * i, at + 4 + size * (i + 1)),
  );
}
