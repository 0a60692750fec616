/**
 * Writes docs/openapi.json (OpenAPI 3.1, the JSON side of the contract) and docs/api.md (all of it, for people) out of the .proto
 * files with their comments, rules and scopes: `npm run proto`, or `node scripts/api-docs.mjs FOLDER` to write elsewhere.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readContract } from './api/contract.mjs';
import { openApiOf } from './api/openapi.mjs';
import { referenceOf } from './api/reference.mjs';

const folder = process.argv[2] ?? 'docs';
const contract = readContract();
mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, 'openapi.json'), `${JSON.stringify(openApiOf(contract), null, 2)}\n`);
writeFileSync(join(folder, 'api.md'), referenceOf(contract));
