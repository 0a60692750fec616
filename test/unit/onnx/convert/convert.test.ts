import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { convertPublished, isConverterName, publishedFiles } from '../../../../src/onnx/convert/index.js';
import { findAnyModel } from '../../../../src/onnx/index.js';
import { shippedFolders } from '../../../support/networks.js';

const root = dirname(createRequire(import.meta.url).resolve('@vladmandic/face-api/package.json'));

describe('convertPublished', () => {
  it.each(['detector', 'landmarks', 'recogniser'])(
    'makes the very bytes that the card of %s names',
    async (name) => {
      const { card } = await findAnyModel(shippedFolders(), name);
      const { converter, weights } = card.prepare!;
      if (!isConverterName(converter)) throw new Error(`${converter} is no converter`);
      const files = publishedFiles(weights);
      const [manifest, binary] = [files.manifest, files.binary].map((file) => readFileSync(join(root, file)));
      const graph = convertPublished(converter, { file: weights, manifest: manifest!, binary: binary! });
      expect(graph.length).toBe(card.bytes);
      expect(createHash('sha256').update(graph).digest('hex')).toBe(card.sha256);
    },
  );
});
