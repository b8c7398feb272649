import { decode } from '../../../src/model/decode';
import { evaluate } from '../../../src/model/evaluate';
import { judgeLaterFragment, nameOfFragments } from '../../../src/model/fragment';
import { NO_STATE } from '../../../src/model/given-state';
import type { Packet } from '../../../src/model/packet';
import { parseRuleset } from '../../../src/parse/parse';
import * as p from '../../support/packet';

function packetOf(...layers: p.Layer[]): Packet {
  const decoded = decode(p.compose(...layers));
  if (decoded.kind !== 'ip') throw new Error(JSON.stringify(decoded));
  return decoded.packet;
}

const bytes = (count: number, protocol = 17): p.Layer => p.raw(new Uint8Array(count), protocol);
const FIRST4 = packetOf(p.ipv4({ id: 7, moreFragments: true }), p.udp({ to: 53, length: 99 }), bytes(8));
const FIRST6 = packetOf(p.ipv6(), p.fragment({ id: 0x12345678, more: true }), p.udp({ to: 53, length: 99 }), bytes(8));

test('what a fragment says of itself', () => {
  expect(FIRST4).toMatchObject({ fragment: 'first', part: { id: 7, at: 0, judged: 8 } });
  expect(FIRST6).toMatchObject({ fragment: 'first', part: { id: 0x12345678, at: 0, judged: 16 } });
  expect(packetOf(p.ipv4({ id: 9, fragmentOffset: 1480 }), bytes(40))).toMatchObject({
    fragment: 'later',
    part: { id: 9, at: 1480, judged: 0 },
  });
  expect(packetOf(p.ipv4({ id: 9 }), p.udp()).part).toBeUndefined();
  expect(packetOf(p.ipv6(), p.fragment({ id: 9 }), p.udp()).part).toBeUndefined();
});

test.each([
  ['TCP with options', p.tcp({ dataOffset: 8 }), 28, 32],
  ['SCTP', p.sctp(), 4, 12],
  ['an ICMP message, whole', p.icmp(), 64, 72],
  ['GRE', p.raw('12345678', 47), 0, 0],
] as const)('IPv4: %s', (_name, transport, more, judged) => {
  expect(packetOf(p.ipv4({ moreFragments: true }), transport, bytes(more)).part?.judged).toBe(judged);
});

test('names are those of receivers', () => {
  const later = (layer: p.Layer, protocol = 17): Packet => packetOf(layer, bytes(16, protocol));
  expect(nameOfFragments(later(p.ipv4({ id: 7, fragmentOffset: 16 })), 'in')).toBe(nameOfFragments(FIRST4, 'in'));
  expect(nameOfFragments(FIRST4, 'out')).not.toBe(nameOfFragments(FIRST4, 'in'));
  expect(nameOfFragments(later(p.ipv4({ id: 7, fragmentOffset: 16 }), 6), 'in')).not.toBe(
    nameOfFragments(FIRST4, 'in'),
  );
  const header = p.fragment({ id: 0x12345678, offset: 16, nextHeader: 60 });
  expect(nameOfFragments(packetOf(p.ipv6(), header, bytes(16)), 'in')).toBe(nameOfFragments(FIRST6, 'in'));
});

test('a later one follows, unless it is unknown or overlaps', () => {
  const { ruleset } = parseRuleset('version: 1\n', { file: 'r.yaml' });
  const fragments = new Map([[nameOfFragments(FIRST4, 'in'), 16]]);
  const at = (offset: number): Uint8Array => p.compose(p.ipv4({ id: 7, fragmentOffset: offset }), bytes(16));
  const judge = (frame: Uint8Array): unknown => {
    const { tier, verdict, reason } = evaluate(ruleset!, frame, { ...NO_STATE, fragments });
    return [tier, verdict, reason];
  };
  expect(judge(at(16))).toEqual(['4', 'allow', 'fragment-follows']);
  expect(judge(at(8))).toEqual(['4', 'deny', 'fragment-overlap']);
  expect(judge(p.compose(p.ipv4({ id: 8, fragmentOffset: 16 }), bytes(16)))).toEqual(['4', 'deny', 'fragment']);
  expect(judgeLaterFragment(fragments, packetOf(p.ipv4({ id: 7, fragmentOffset: 16 }), bytes(16)), 'out')).toBe(
    'fragment',
  );
  const dropping = parseRuleset('version: 1\nfragments: drop\n', { file: 'r.yaml' }).ruleset!;
  expect(evaluate(dropping, at(16), { ...NO_STATE, fragments })).toMatchObject({
    tier: '4',
    reason: 'fragment-refused',
  });
});
