import fc from 'fast-check';
import { ANY, type IcmpType, type Match } from '../../src/model/match';
import { clearHostBits, formatPrefix, type Prefix } from '../../src/model/prefix';
import { PORT_DEFAULT_PROTOCOLS, PORT_PROTOCOLS } from '../../src/model/protocol';
import { parseAddressText } from '../../src/parse/address';
import { formatRule } from '../../src/parse/format-rule';
import { normalizeRanges } from '../../src/parse/port';
import { parseRuleLine } from '../../src/parse/rule-line';
import { parsePrefixList } from '../../src/parse/prefix-list';

const word = fc.integer({ min: 0, max: 0xffffffff });
const prefix4: fc.Arbitrary<Prefix> = fc
  .tuple(word, fc.integer({ min: 0, max: 32 }))
  .map(([w, length]) => clearHostBits({ family: 4, words: [w], length }));
/** Zero words make `::`; a first word above 0 keeps out IPv4-mapped addresses. */
const prefix6: fc.Arbitrary<Prefix> = fc
  .tuple(
    fc.integer({ min: 0x10000, max: 0xffffffff }),
    fc.array(fc.oneof(fc.constant(0), word), { minLength: 3, maxLength: 3 }),
    fc.integer({ min: 16, max: 128 }),
  )
  .map(([first, rest, length]) => clearHostBits({ family: 6, words: [first, ...rest], length }));
const prefixes = fc
  .oneof(
    fc.uniqueArray(prefix4, { minLength: 1, maxLength: 4, selector: formatPrefix }),
    fc.uniqueArray(prefix6, { minLength: 1, maxLength: 4, selector: formatPrefix }),
  )
  .map((list) => list as readonly Prefix[]);
const addresses = fc.oneof(fc.constant(ANY), fc.constant([] as readonly Prefix[]), prefixes);

const range = fc
  .tuple(fc.integer({ min: 1, max: 65535 }), fc.integer({ min: 1, max: 65535 }))
  .map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) }));
const port = fc.integer({ min: 1, max: 65535 }).map((n) => ({ first: n, last: n }));
const ports = fc.oneof(
  fc.constant(ANY),
  fc.array(fc.oneof(port, port, range), { minLength: 0, maxLength: 4 }).map(normalizeRanges),
);
const sortedNumbers = (numbers: fc.Arbitrary<number>): fc.Arbitrary<readonly number[]> =>
  fc.uniqueArray(numbers, { minLength: 1, maxLength: 4 }).map((list) => list.sort((a, b) => a - b));

const transport = fc
  .record({
    fromPorts: ports,
    toPorts: ports,
    withPorts: fc.oneof(fc.constant(PORT_DEFAULT_PROTOCOLS), sortedNumbers(fc.constantFrom(...PORT_PROTOCOLS.keys()))),
    alone: fc.oneof(fc.constant(ANY), sortedNumbers(fc.integer({ min: 0, max: 255 }))),
  })
  .map(({ fromPorts, toPorts, withPorts, alone }) => ({
    fromPorts,
    toPorts,
    protocols: fromPorts === ANY && toPorts === ANY ? alone : withPorts,
    icmpTypes: ANY,
  }));
const icmpType: fc.Arbitrary<IcmpType> = fc
  .tuple(fc.integer({ min: 0, max: 255 }), fc.option(fc.integer({ min: 0, max: 255 }), { nil: undefined }))
  .map(([type, code]) => (code === undefined ? { type } : { type, code }));
const icmp = fc
  .tuple(
    fc.constantFrom(1, 58),
    fc.uniqueArray(icmpType, { minLength: 1, maxLength: 4, selector: ({ type, code }) => `${type}/${code ?? ''}` }),
  )
  .map(([protocol, icmpTypes]) => ({ fromPorts: ANY, toPorts: ANY, protocols: [protocol], icmpTypes }));

const match: fc.Arbitrary<Match> = fc
  .record({
    family: fc.constantFrom(ANY, 4, 6),
    from: addresses,
    to: addresses,
    rest: fc.oneof(transport, transport, icmp),
  })
  .map(({ family, from, to, rest }) => ({ family, from, to, ...rest }) as Match)
  // Families that exclude one another are refused, and not what this is about.
  .filter(({ family, from, to }) => {
    const families = [from, to].flatMap((list) => (list === ANY || list.length === 0 ? [] : [list[0].family]));
    return new Set(family === ANY ? families : [...families, family]).size <= 1;
  });

test('formatRule and parseRuleLine are inverse: the same match, the same text', () => {
  fc.assert(
    fc.property(fc.constantFrom('allow' as const, 'deny' as const, 'reject' as const), match, (action, written) => {
      const text = formatRule(action, written);
      const { row, findings } = parseRuleLine(text);
      expect(findings.filter(({ severity }) => severity === 'error')).toEqual([]);
      expect(row).toMatchObject({ action, match: written, text });
    }),
    { numRuns: 3000 },
  );
});

test('of limit rules too', () => {
  const limit = fc.record({
    count: fc.integer({ min: 2, max: 32 }),
    windowMs: fc.integer({ min: 1, max: 3600 }).map((seconds) => seconds * 1000),
    verdict: fc.constantFrom('reject' as const, 'deny' as const),
    prefix: fc.record({ 4: fc.integer({ min: 1, max: 32 }), 6: fc.integer({ min: 1, max: 128 }) }),
  });
  const counted = ({ protocols }: Match): boolean => protocols === ANY || protocols.some((n) => n === 6 || n === 17);
  fc.assert(
    fc.property(match.filter(counted), limit, (written, limits) => {
      const text = formatRule('limit', written, {}, limits);
      const { row, findings } = parseRuleLine(text);
      expect(findings.filter(({ severity }) => severity === 'error')).toEqual([]);
      expect(row).toMatchObject({ action: 'limit', match: written, limit: limits, text });
    }),
    { numRuns: 2000 },
  );
});

test('formatPrefix and parseAddressText are inverse', () => {
  fc.assert(
    fc.property(fc.oneof(prefix4, prefix6), (prefix) => {
      expect(parseAddressText(formatPrefix(prefix))).toEqual({ kind: 'prefix', prefix });
    }),
    { numRuns: 3000 },
  );
});

test('the reader of usual lines and the careful reader agree about every line', () => {
  const digits = fc.stringMatching(/^[0-9]{0,4}$/);
  const line = fc.oneof(
    fc.tuple(digits, digits, digits, digits, digits).map(([a, b, c, d, n]) => `${a}.${b}.${c}.${d}/${n}`),
    fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 33 })).map(([address, length]) => `${address}/${length}`),
    fc.oneof(prefix4, prefix6).map(formatPrefix),
    fc.string(),
  );
  fc.assert(
    fc.property(line, (text) => {
      fc.pre(!/[#;\r\n\0\ufeff]/.test(text));
      const list = parsePrefixList(Buffer.from(`${text}\n`), 'list', 10);
      const reading = parseAddressText(text.trim());
      if (text.trim() === '') expect(list.prefixes).toEqual([]);
      else if (reading.kind === 'prefix') expect(list.prefixes).toEqual([reading.prefix]);
      else expect(list.diagnostics[0]).toMatchObject({ severity: 'error' });
    }),
    { numRuns: 5000 },
  );
});

test('findings of a row lie inside it', () => {
  const token = fc.oneof(
    fc.constantFrom(
      ...'allow deny limit in out on from to port proto icmp-type family comment id any tcp udp icmp 22 80,443 1:2 10.0.0.0/8 ::1 office ssh http , # 1'.split(
        ' ',
      ),
    ),
    fc.string({ maxLength: 6 }),
  );
  fc.assert(
    fc.property(fc.array(token, { maxLength: 9 }), (tokens) => {
      const text = tokens.join(' ');
      const { row, findings } = parseRuleLine(text);
      expect(row === null).toBe(findings.some(({ severity }) => severity === 'error'));
      for (const { start, length } of findings) {
        expect(start).toBeGreaterThanOrEqual(0);
        expect(start + length).toBeLessThanOrEqual(Math.max(1, text.length) + 1);
      }
    }),
    { numRuns: 3000 },
  );
});
