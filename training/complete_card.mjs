// complete_card.mjs CARD.json: writes the golden field as Foilbank itself sees it, with the aligned chip, into a generator's card.
import { readFile, writeFile } from 'node:fs/promises';
import { resolveConfig } from '../dist/src/config.js';
import { InferencePool } from '../dist/src/onnx/index.js';
import { goldenOf } from '../dist/src/pipeline/index.js';

const [file] = process.argv.slice(2);
const { cards, cache } = resolveConfig();
const pool = new InferencePool({ threads: 1 });
const golden = await goldenOf(pool, { cards, cache }, file);
await pool.close();
const card = JSON.parse(await readFile(file, 'utf8'));
await writeFile(file, `${JSON.stringify({ ...card, golden }, null, 2)}\n`);
