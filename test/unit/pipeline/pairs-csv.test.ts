import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePairs } from '../../../src/pipeline/pairs-csv.js';

const read = (text: string | Uint8Array) =>
  parsePairs(typeof text === 'string' ? new TextEncoder().encode(text) : text, 'pairs.csv');
const fault = (row: number) =>
  expect.objectContaining({ code: 'FB_PAIRS_INVALID', details: expect.objectContaining({ row }) });

const quote = (name: string) => `"${name.replaceAll('"', '""')}"`;
/** Names as people give files, with all that a comma-separated file can trip over but line breaks. */
const names = fc
  .string({ unit: fc.constantFrom(...'ab/._- ,"é雪1;'), minLength: 1, maxLength: 12 })
  .filter((name) => name !== '');

describe('parsePairs', () => {
  it('reads two names and whether they are one person, with the line they stand in', () => {
    expect(read('a,b,same\nanna-1.jpg,anna-2.jpg,1\nanna-1.jpg,bert.jpg,0\n')).toEqual([
      { a: 'anna-1.jpg', b: 'anna-2.jpg', same: true, row: 2 },
      { a: 'anna-1.jpg', b: 'bert.jpg', same: false, row: 3 },
    ]);
  });

  it('takes any order of columns, further columns, a byte order mark, Windows line ends, empty lines and words for labels', () => {
    expect(read('\ufeffnote, same ,b,a\r\n\r\nx,TRUE,2.jpg,1.jpg\r\n"y, z", false ,4.jpg,3.jpg')).toEqual([
      { a: '1.jpg', b: '2.jpg', same: true, row: 3 },
      { a: '3.jpg', b: '4.jpg', same: false, row: 4 },
    ]);
  });

  it('gives back every name that was quoted by RFC 4180', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(names, names, fc.boolean())), (pairs) => {
        const lines = pairs.map(([a, b, same]) => `${quote(a)},${quote(b)},${same ? 1 : 0}`);
        expect(read(['a,b,same', ...lines].join('\n')).map(({ a, b, same }) => [a, b, same])).toEqual(pairs);
      }),
    );
  });

  it.each([
    ['an empty file', '', 1],
    ['a missing column', 'a,b\n1.jpg,2.jpg', 1],
    ['a label that is neither', 'a,b,same\n1.jpg,2.jpg,1\n1.jpg,2.jpg,yes', 3],
    ['too few values', 'a,b,same\n1.jpg,2.jpg', 2],
    ['too many values', 'a,b,same\n1.jpg,2.jpg,1,1', 2],
    ['an empty name', 'a,b,same\n,2.jpg,1', 2],
    ['a quote that is not closed', 'a,b,same\n"1.jpg,2.jpg,1', 2],
    ['a quote inside a plain name', 'a,b,same\n1".jpg,2.jpg,1', 2],
    ['a line break inside quotes', 'a,b,same\n"1\n.jpg",2.jpg,1', 2],
    ['bytes that are no UTF-8', Uint8Array.of(97, 0xff, 98), 1],
    ['a picture', Uint8Array.of(0xff, 0xd8, 0xff, 0xe0), 1],
  ])('refuses %s and names the line', (_, text, row) => {
    expect(() => read(text)).toThrow(fault(row));
  });

  it('never fails otherwise than with its code', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.string().map((s) => new TextEncoder().encode(`a,b,same\n${s}`)),
        ),
        (bytes) => {
          try {
            read(bytes);
          } catch (error) {
            expect(error).toMatchObject({ code: 'FB_PAIRS_INVALID' });
          }
        },
      ),
    );
  });
});
