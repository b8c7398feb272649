import * as fc from 'fast-check';
import { mergePrefixes, mergeRanges } from '../../../src/compile/merge';
import { formatPrefix, maskWord, type Prefix, prefixContains } from '../../../src/model/prefix';
import { portInRanges } from '../../../src/model/port-range';
import { prefix } from '../../support/findings';

const merged = (...texts: string[]): string[] => mergePrefixes(texts.map(prefix)).map(formatPrefix);

test.each([
  [['10.0.0.0/9', '10.128.0.0/9'], ['10.0.0.0/8']],
  [['10.128.0.0/9', '10.0.0.0/9', '11.0.0.0/8'], ['10.0.0.0/7']],
  [['10.1.0.0/16', '10.0.0.0/8', '10.1.2.3'], ['10.0.0.0/8']],
  [
    ['10.0.0.1', '10.0.0.2'],
    ['10.0.0.1', '10.0.0.2'],
  ],
  [['0.0.0.0/1', '128.0.0.0/1'], ['0.0.0.0/0']],
  [['2001:db8::/33', '2001:db8:8000::/33'], ['2001:db8::/32']],
  [['2001:db8:0:1::/64', '2001:db8::/64'], ['2001:db8::/63']],
])('prefixes %j become %j', (texts, expected) => expect(merged(...texts)).toEqual(expected));

test('prefixes: same addresses, none twice, whatever the order', () => {
  const some = fc.tuple(fc.nat(15), fc.integer({ min: 28, max: 32 })).map(([host, length]) => ({
    family: 4 as const,
    words: [(host & maskWord(length, 0)) >>> 0],
    length,
  }));
  fc.assert(
    fc.property(fc.array(some, { maxLength: 8 }), (list) => {
      const result = mergePrefixes(list);
      expect(mergePrefixes([...list].reverse())).toEqual(result);
      for (let address = 0; address < 16; address++) {
        const hits = result.filter((candidate) => prefixContains(candidate, [address])).length;
        expect(hits).toBe(list.some((candidate) => prefixContains(candidate, [address])) ? 1 : 0);
      }
    }),
  );
});

test('ranges: same ports, apart from one another', () => {
  const some = fc.tuple(fc.nat(30), fc.nat(5)).map(([first, more]) => ({ first, last: first + more }));
  fc.assert(
    fc.property(fc.array(some, { maxLength: 6 }), (list) => {
      const result = mergeRanges(list);
      for (let port = 0; port < 40; port++) expect(portInRanges(result, port)).toBe(portInRanges(list, port));
      for (let i = 1; i < result.length; i++) expect(result[i].first).toBeGreaterThan(result[i - 1].last + 1);
    }),
  );
});

test('prefixes of IPv4 become what the same ones inside IPv6 become', () => {
  const some = fc.tuple(fc.nat(0xffffffff), fc.nat(32)).map(([word, length]) => ({
    family: 4 as const,
    words: [(word & maskWord(length, 0)) >>> 0],
    length,
  }));
  const near = fc.tuple(fc.constantFrom(0, 0xffffff00, 0x7fffff00), fc.nat(255), fc.integer({ min: 22, max: 32 }));
  const close = near.map(([base, host, length]) => ({
    family: 4 as const,
    words: [((base | host) & maskWord(length, 0)) >>> 0],
    length,
  }));
  fc.assert(
    fc.property(fc.array(fc.oneof(some, close), { maxLength: 40 }), (list) => {
      const wide = list.map(({ words, length }) => ({
        family: 6 as const,
        words: [0, 0, 0, ...words],
        length: 96 + length,
      }));
      const narrow = ({ words, length }: Prefix): Prefix => ({ family: 4, words: words.slice(3), length: length - 96 });
      // ::/96 is not joined further: nothing in the list is as wide, and its other half is not there
      expect(mergePrefixes(list)).toEqual(mergePrefixes(wide).map(narrow));
    }),
  );
});
