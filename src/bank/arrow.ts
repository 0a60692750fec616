import { setImmediate } from 'node:timers/promises';
import {
  type Data,
  Field,
  FixedSizeList,
  Float32,
  makeData,
  RecordBatch,
  RecordBatchFileWriter,
  RecordBatchReader,
  Schema,
  Struct,
  Uint64,
  Utf8,
} from 'apache-arrow';
import { FoilbankError, reasonOf } from '../errors.js';
import { BLOCK_ROWS, type CandidateTable, candidateId, copyRows, faultOf, sliceTable } from './candidate.js';

/**
 * Candidates as an Arrow IPC file: columns id, seed, psi, score, embedding, none of them nullable, in record batches of
 * at most 2,048 rows. The only file that knows the Arrow library. The same table and metadata give the same bytes.
 */
const COLUMNS = ['id', 'seed', 'psi', 'score', 'embedding'] as const;
const MAGIC = 'ARROW1';

function schemaOf(dimension: number, metadata: Readonly<Record<string, string>>): Schema {
  return new Schema(
    [
      new Field('id', new Utf8(), false),
      new Field('seed', new Uint64(), false),
      new Field('psi', new Float32(), false),
      new Field('score', new Float32(), false),
      new Field('embedding', new FixedSizeList(dimension, new Field('item', new Float32(), false)), false),
    ],
    new Map(Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1))),
  );
}

/** @param metadata words kept in the file's schema */
export function encodeCandidates(
  table: CandidateTable,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const schema = schemaOf(table.dimension, metadata);
  const writer = new RecordBatchFileWriter();
  writer.reset(undefined, schema);
  for (let start = 0; start < table.seeds.length; start += BLOCK_ROWS)
    writer.write(batchOf(schema, sliceTable(table, start, Math.min(table.seeds.length, start + BLOCK_ROWS))));
  writer.finish();
  return writer.toUint8Array(true);
}

function batchOf(schema: Schema, rows: CandidateTable): RecordBatch {
  const length = rows.seeds.length;
  const floats = (data: Float32Array) =>
    makeData({ type: new Float32(), length: data.length, nullCount: 0, data });
  const ids = idColumn(rows.seeds);
  const children: Data[] = [
    makeData({ type: new Utf8(), length, nullCount: 0, valueOffsets: ids.offsets, data: ids.bytes }),
    makeData({ type: new Uint64(), length, nullCount: 0, data: BigUint64Array.from(rows.seeds, BigInt) }),
    floats(rows.psi),
    floats(rows.scores),
    makeData({
      type: schema.fields[4]?.type as FixedSizeList,
      length,
      nullCount: 0,
      child: floats(rows.embeddings),
    }),
  ];
  return new RecordBatch(
    schema,
    makeData({ type: new Struct(schema.fields), length, nullCount: 0, children }),
  );
}

/** The id column as Arrow lays it out: offsets [m + 1] into the texts laid end to end. */
function idColumn(seeds: Float64Array): { offsets: Int32Array; bytes: Buffer } {
  const offsets = new Int32Array(seeds.length + 1);
  let text = '';
  seeds.forEach((seed, row) => {
    text += candidateId(seed);
    offsets[row + 1] = text.length;
  });
  return { offsets, bytes: Buffer.from(text, 'latin1') };
}

/** A candidates file whose framing and schema were checked. */
export interface CandidateFile {
  readonly rows: number;
  readonly dimension: number;
  readonly metadata: Readonly<Record<string, string>>;
  /**
   * Copies all rows into a table of the same dimension, beginning at row `at`, and checks each.
   * @throws FoilbankError FB_BANK_CORRUPT
   */
  copyInto(table: CandidateTable, at: number): Promise<void>;
}

/**
 * Only for bytes whose hash was checked: the Arrow library trusts the counts inside a file, and damaged ones make it run
 * on for ever.
 *
 * @param file its name, for messages
 * @throws FoilbankError FB_BANK_CORRUPT
 */
export function decodeCandidates(bytes: Uint8Array, file: string): CandidateFile {
  const corrupt = (reason: string, cause?: unknown) =>
    new FoilbankError('FB_BANK_CORRUPT', { file, reason }, { cause });
  // Columns are viewed in place, and a view of 8-byte numbers must begin at a multiple of 8.
  if (bytes.byteOffset % 8 !== 0) bytes = bytes.slice();
  const magic = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (
    magic.length < 24 ||
    magic.toString('latin1', 0, 6) !== MAGIC ||
    magic.toString('latin1', magic.length - 6) !== MAGIC
  )
    throw corrupt('it is not a whole Arrow IPC file');
  let opened: { batches: RecordBatch[]; dimension: number; metadata: Record<string, string> };
  try {
    const reader = RecordBatchReader.from(bytes);
    const { schema } = reader.open();
    const dimension = dimensionOf(schema);
    // A file without rows is read as one batch of none.
    const batches = [...reader].filter((batch) => batch.numRows > 0);
    opened = { batches, dimension, metadata: Object.fromEntries(schema.metadata) };
  } catch (error) {
    throw corrupt(reasonOf(error), error);
  }
  const { batches, dimension, metadata } = opened;
  return {
    rows: batches.reduce((sum, batch) => sum + batch.numRows, 0),
    dimension,
    metadata,
    copyInto: async (table, at) => {
      for (const batch of batches) {
        try {
          copyRows(rowsOf(batch, dimension), table, at);
        } catch (error) {
          throw corrupt(reasonOf(error), error);
        }
        const fault = faultOf(table, at, at + batch.numRows);
        if (fault) throw corrupt(fault);
        at += batch.numRows;
        await setImmediate();
      }
    },
  };
}

function dimensionOf(schema: Schema): number {
  const list: unknown = schema.fields[COLUMNS.length - 1]?.type;
  const dimension = list instanceof FixedSizeList ? list.listSize : 0;
  if (dimension < 1) throw new TypeError('the last column is no fixed-size list');
  const columns = (s: Schema) =>
    s.fields.map((f) => `${f.name}: ${f.type}${f.nullable ? '?' : ''}`).join(', ');
  const wanted = columns(schemaOf(dimension, {}));
  if (columns(schema) !== wanted)
    throw new TypeError(`its columns are ${columns(schema)}; wanted are ${wanted}`);
  return dimension;
}

/** A batch's columns as views of the file's bytes, of the lengths that its row count asks for. */
function rowsOf(batch: RecordBatch, dimension: number): CandidateTable {
  const [ids, seeds, psi, scores, embeddings] = batch.data.children;
  const rows = batch.numRows;
  const table = {
    dimension,
    seeds: seedsOf(seeds, rows),
    psi: floatsOf(psi, rows),
    scores: floatsOf(scores, rows),
    embeddings: floatsOf(embeddings?.children[0], rows * dimension),
  };
  const expected = idColumn(table.seeds);
  const text = ids?.values;
  if (
    !(text instanceof Uint8Array && expected.bytes.equals(text.subarray(0, expected.bytes.length))) ||
    !expected.offsets.every((offset, i) => ids?.valueOffsets[i] === offset)
  )
    throw new TypeError('column id does not name the seeds');
  return table;
}

function floatsOf(column: Data | undefined, length: number): Float32Array {
  const values: unknown = column?.values;
  if (!(values instanceof Float32Array) || values.length < length)
    throw new TypeError('a column is cut short');
  return values.subarray(0, length);
}

/** Read as two halves: a bigint per row would cost an allocation each. */
function seedsOf(column: Data | undefined, length: number): Float64Array {
  const values: unknown = column?.values;
  if (!(values instanceof BigUint64Array) || values.length < length)
    throw new TypeError('a column is cut short');
  const halves = new Uint32Array(values.buffer, values.byteOffset, 2 * length);
  return Float64Array.from(
    { length },
    (_, i) => (halves[2 * i] as number) + (halves[2 * i + 1] as number) * 2 ** 32,
  );
}
