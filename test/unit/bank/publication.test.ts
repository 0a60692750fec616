import { describe, expect, it } from 'vitest';
import { layoutOf } from '../../../src/bank/layout.js';
import {
  appendPublication,
  currentPublication,
  decodePublication,
  encodePublication,
  publicationLog,
} from '../../../src/bank/publication.js';
import { someStore } from './fixtures.js';

const layout = layoutOf('bank');
const sha = (digit: string) => digit.repeat(64);

describe('a publication', () => {
  it('comes back from its text', () => {
    const publication = { generation: 13, version: '000007', manifestSha256: sha('a') };
    expect(decodePublication(encodePublication(publication), 'CURRENT')).toEqual(publication);
  });

  it('is refused when any bit of its text is flipped, or a byte is lost or added', () => {
    const text = Buffer.from(
      encodePublication({ generation: 13, version: '000007', manifestSha256: sha('a') }),
    );
    const refused = (bytes: Buffer) =>
      expect(() => decodePublication(bytes.toString('latin1'), 'CURRENT')).toThrow(
        expect.objectContaining({ code: 'FB_BANK_CORRUPT' }),
      );
    for (let bit = 0; bit < 8 * text.length; bit++) {
      const flipped = Buffer.from(text);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      refused(flipped);
    }
    refused(text.subarray(0, -1));
    refused(Buffer.concat([text, Buffer.from('\n')]));
    refused(Buffer.alloc(0));
  });
});

describe('the version in service', () => {
  it('is none before the first publication', async () => {
    expect(await currentPublication(await someStore(), layout)).toBeUndefined();
  });

  it('is the last publication, though CURRENT was left behind or never written', async () => {
    const store = await someStore();
    for (let generation = 1; generation <= 3; generation++) {
      const text = encodePublication({ generation, version: `00000${generation}`, manifestSha256: sha('a') });
      await store.writeNew(layout.publication(generation), Buffer.from(text));
      expect((await currentPublication(store, layout))?.generation).toBe(generation);
      if (generation === 2) await store.write(layout.current, Buffer.from(text));
    }
  });

  it('goes to one of many publishers that follow the same publication', async () => {
    const store = await someStore();
    expect(await appendPublication(store, layout, 0, '000001', sha('a'))).toBe(true);
    const won = await Promise.all(
      Array.from({ length: 10 }, (_, i) => appendPublication(store, layout, 1, `00000${i}`, sha('b'))),
    );
    expect(won.filter(Boolean)).toHaveLength(1);
    expect((await currentPublication(store, layout))?.version).toBe(`00000${won.indexOf(true)}`);
  });

  it('is logged with whatever is damaged or missing named', async () => {
    const store = await someStore();
    for (let after = 0; after < 4; after++) await appendPublication(store, layout, after, '000001', sha('a'));
    await store.write(
      layout.publication(2),
      Buffer.from(encodePublication({ generation: 3, version: '000001', manifestSha256: sha('a') })),
    );
    const moved = await publicationLog(store, layout);
    expect(moved.publications.map((p) => p.generation)).toEqual([1, 3, 4]);
    expect(moved.damaged).toMatchObject([{ file: layout.publication(2) }]);
    await store.remove(layout.publication(2));
    const lost = await publicationLog(store, layout);
    expect(lost).toMatchObject({ last: 4, damaged: [{ file: layout.published }] });
  });
});
