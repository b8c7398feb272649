import { protocolLane, servicesOf } from '../../../src/compile/services';
import type { Match } from '../../../src/model/match';
import { match, type RuleText } from '../../support/findings';

const texts = (text: RuleText, family: 4 | 6 = 4): string[] => textsOf(match(text), family);
const textsOf = (from: Match, family: 4 | 6): string[] =>
  servicesOf(from, family).map(({ destinationPorts: d, sourcePorts: s, lanes: l }) =>
    [d, s, l].map(({ first, last }) => `${first}-${last}`).join(' '),
  );

test('protocols 7 and 17 change places', () => {
  expect([6, 7, 17, 18].map(protocolLane)).toEqual([6, 17, 7, 18]);
});

test.each<[string, RuleText, string[]]>([
  ['everything', {}, ['0-65535 0-65535 0-255']],
  ['a port: TCP and UDP in one range', { port: [80] }, ['80-80 0-65535 6-7']],
  ['touching ports', { port: [[80, 81], 82], proto: [6] }, ['80-82 0-65535 6-6']],
  ['both ports', { port: [1, 3], fromPort: [5] }, ['1-1 5-5 6-7', '3-3 5-5 6-7']],
  ['a protocol without ports', { proto: [7, 47] }, ['0-65535 0-65535 17-17', '0-65535 0-65535 47-47']],
  ['a port of a protocol that has none', { port: [80], proto: [47] }, []],
  ['no port at all', { port: [] }, []],
  ['no protocol at all', { proto: [] }, []],
  ['ICMP types, joined', { proto: [1], icmp: [{ type: 3 }, { type: 4, code: 0 }] }, ['768-1024 0-65535 1-1']],
  ['no ICMP type at all', { proto: [1], icmp: [] }, []],
  ['ICMP types beside a port', { proto: [1], icmp: [{ type: 3 }], port: [80] }, []],
])('%s', (_name, text, expected) => {
  expect(texts(text)).toEqual(expected);
});

test('any protocol with ports means the ones that carry ports', () => {
  const every: Match = { ...match({ port: [80] }), protocols: 'any' };
  expect(textsOf(every, 4).map((text) => text.split(' ')[2])).toEqual(['6-7', '33-33', '132-132', '136-136']);
});

test("ICMP types match the family's own ICMP only", () => {
  expect(texts({ proto: [58], icmp: [{ type: 128 }] }, 4)).toEqual([]);
  expect(texts({ proto: [58], icmp: [{ type: 128 }] }, 6)).toEqual(['32768-33023 0-65535 58-58']);
});

test('lists of ports that multiply beyond an image are refused before they are made, the rule named', () => {
  const odd = Array.from({ length: 20_000 }, (_, i) => 2 * i + 1);
  const wide = match({ port: odd, fromPort: odd });
  expect(() => servicesOf(wide, 4, 'wide')).toThrow(
    'the ruleset needs 400000000 image rules at rule "wide", the ceiling is 2097152',
  );
});
