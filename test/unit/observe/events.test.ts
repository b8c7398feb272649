import {
  eventLine,
  eventMatches,
  eventText,
  eventToJson,
  type PacketEvent,
  parseEventLine,
} from '../../../src/observe/events';
import { fieldText, packetFields } from '../../../src/observe/packet-fields';
import * as p from '../../support/packet';

const line = (frame: Uint8Array): string => packetFields(frame, { in: 'eth0', out: '' }).map(fieldText).join(' ');
const V4 = p.ipv4({ from: '198.51.100.7', to: '203.0.113.4' });
const V6 = p.ipv6({ from: '2001:db8::7', to: '2001:db8::4' });

describe('what netfilter would print', () => {
  test.each<[string, Uint8Array, RegExp]>([
    [
      'TCP',
      p.compose(V4, p.tcp({ from: 40222, to: 14541 })),
      /^IN=eth0 OUT= MAC=(..:){13}00 SRC=198\.51\.100\.7 DST=203\.0\.113\.4 LEN=40 TOS=0x00 PREC=0x00 TTL=64 ID=\d+ (DF )?PROTO=TCP SPT=40222 DPT=14541 WINDOW=64240 RES=0x00 SYN URGP=0$/,
    ],
    [
      'flags in their order',
      p.compose(V4, p.tcp({ flags: ['syn', 'fin', 'rst', 'psh', 'ack', 'urg'] })),
      /RES=0x00 URG ACK PSH RST SYN FIN URGP=0$/,
    ],
    ['UDP', p.compose(V4, p.udp({ to: 53 }), p.raw('ab')), /LEN=30 .*PROTO=UDP SPT=\d+ DPT=53 LEN=10$/],
    ['an echo', p.compose(V4, p.icmp({ type: 8 })), /PROTO=ICMP TYPE=8 CODE=0 ID=\d+ SEQ=\d+$/],
    [
      'an error and its quote',
      p.compose(V4, p.icmp({ type: 3, code: 4, quote: [V4, p.udp({ to: 53 })] })),
      /PROTO=ICMP TYPE=3 CODE=4 \[SRC=198\.51\.100\.7 .*PROTO=UDP SPT=\d+ DPT=53 LEN=8\] MTU=\d+$/,
    ],
    [
      'IPv6 written out',
      p.compose(V6, p.tcp()),
      /SRC=2001:0db8:0000:0000:0000:0000:0000:0007 DST=2001:0db8:0000:0000:0000:0000:0000:0004 LEN=60 TC=0 HOPLIMIT=64 FLOWLBL=0 PROTO=TCP/,
    ],
    ['ICMPv6', p.compose(V6, p.icmpv6({ type: 128 })), /PROTO=ICMPv6 TYPE=128 CODE=0 ID=\d+ SEQ=\d+$/],
    [
      'behind extension headers',
      p.compose(V6, p.hopByHop(), p.destinationOptions(), p.udp({ to: 53 })),
      /PROTO=UDP SPT=\d+ DPT=53/,
    ],
    [
      'an IPv6 fragment',
      p.compose(V6, p.fragment({ offset: 100, more: true, id: 0xabc }), p.raw('later', 17)),
      /FRAG:96 INCOMPLETE ID:00000abc PROTO=UDP$/,
    ],
    ['another protocol', p.compose(V4, p.raw('x', 47)), /PROTO=47$/],
    ['a VLAN tag', p.compose(p.vlan({ id: 5 }), V4, p.udp()), /MAC=\S+:81:00 VPROTO=8100 VID=5 SRC=/],
    ['no IP', p.compose(p.ethernet({ ethertype: 0x88b5, padTo: 60 })), /MAC=\S+:88:b5 ETHERTYPE=0x88b5$/],
  ])('%s', (_what, frame, expected) => expect(line(frame)).toMatch(expected));

  test('an IPv4 fragment has no ports', () => {
    expect(line(p.compose(p.ipv4({ fragmentOffset: 1480, moreFragments: true }), p.raw('data', 6)))).toMatch(
      / MF FRAG:185 PROTO=TCP$/,
    );
  });

  test('any beginning of any frame gets a line', () => {
    const frames = [
      p.compose(p.vlan(), V6, p.hopByHop(), p.tcp()),
      p.compose(V4, p.icmp({ type: 11, quote: [V4, p.tcp()] })),
      p.compose(V6, p.icmpv6({ type: 2, quote: [V6, p.udp()] })),
    ];
    for (const frame of frames)
      for (let length = 0; length <= frame.length; length++) {
        const text = line(p.cut(frame, length));
        expect(text.startsWith('IN=eth0 OUT=')).toBe(true);
        expect(text).not.toMatch(/undefined|NaN/);
      }
  });
});

const event = (frame: Uint8Array, rule = 'web'): PacketEvent => ({
  time: '2026-11-22T07:31:35.239Z',
  word: 'LIMIT BLOCK',
  fields: [
    ...packetFields(frame, { in: 'eth0', out: '' }),
    { key: 'SRV', value: 'inbound' },
    { key: 'RULE', value: rule },
    { key: 'REASON', value: 'rule' },
    { key: 'GEN', value: '3' },
    { key: 'EVENT', value: 'abcd0123-1f0' },
  ],
});

test('a line is read back as it was, quotes of quotes too', () => {
  for (const frame of [
    p.compose(V4, p.tcp()),
    p.compose(V6, p.udp()),
    p.compose(V4, p.icmp({ type: 3, quote: [V4, p.icmp({ type: 3, quote: [V4, p.udp()] })] })),
    new Uint8Array(0),
  ]) {
    const told = event(frame);
    expect(parseEventLine(eventLine(told, 'edge-1'))).toEqual(told);
    // As `sluice events` prints it.
    expect(parseEventLine(`${told.time} ${eventText(told)}`)).toEqual(told);
  }
});

test.each([
  '',
  'nonsense',
  'yesterday edge sluice: [SLUICE BLOCK] IN=eth0',
  '2026-11-22T07:31:35.239Z edge sluice: [SLUICE SHOUT] IN=eth0',
  '2026-11-22T07:31:35.239Z edge kernel: [UFW BLOCK] IN=eth0',
])('%j is no line of ours', (text) => expect(parseEventLine(text)).toBeNull());

test('as JSON: keys in lower case, UDP keeps both lengths, flags in a list', () => {
  const json = eventToJson(event(p.compose(V4, p.udp({ to: 53 }), p.raw('ab'))));
  expect(json).toMatchObject({
    event: 'LIMIT BLOCK',
    src: '198.51.100.7',
    len: '30',
    udpLen: '10',
    dpt: '53',
    rule: 'web',
    id: 'abcd0123-1f0',
  });
  expect(eventToJson(event(p.compose(V4, p.tcp()))).flags).toContain('SYN');
});

test('filters: all that are given must hold', () => {
  const told = event(p.compose(V4, p.tcp({ from: 40222, to: 22 })));
  expect(eventMatches(told, {})).toBe(true);
  expect(eventMatches(told, { rule: 'web', port: 22 })).toBe(true);
  expect(eventMatches(told, { rule: 'inbound/web', port: 40222 })).toBe(true);
  expect(eventMatches(told, { rule: 'web', port: 23 })).toBe(false);
  expect(eventMatches(told, { rule: 'other' })).toBe(false);
  expect(eventMatches(told, { source: (text) => text === '198.51.100.7' })).toBe(true);
  expect(eventMatches(told, { source: () => false })).toBe(false);
  expect(eventMatches(told, { section: 'inbound' })).toBe(true);
  expect(eventMatches(told, { section: 'red' })).toBe(false);
});
