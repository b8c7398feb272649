import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { writePcap } from '../../../src/observe/pcap';
import {
  arp,
  authentication,
  compose,
  cut,
  describeFrame,
  destinationOptions,
  fragment,
  frameFromHex,
  hexOf,
  hopByHop,
  icmp,
  icmpv6,
  ipv4,
  ipv6,
  mobility,
  multicastListener,
  neighbour,
  raw,
  router,
  routing,
  sctp,
  tcp,
  truncate,
  udp,
  vlan,
} from '../../support/packet';

/** What tcpdump, an independent reader, says of each frame. */
function dissect(frames: readonly Uint8Array[]): string[] {
  const directory = mkdtempSync(joinPath(tmpdir(), 'slc-packet-'));
  try {
    const file = joinPath(directory, 'frames.pcap');
    writeFileSync(file, writePcap(frames.map((bytes) => ({ bytes }))));
    const text = execFileSync('tcpdump', ['-nnvvetr', file], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return text.trim().split(/\n(?!\s)/);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const CASES: readonly (readonly [string, Uint8Array, readonly string[]])[] = [
  ['tcp', compose(ipv4(), tcp()), ['proto TCP (6), length 40)', '(correct)', '203.0.113.50.40000 > 192.0.2.10.14141']],
  ['tcp6', compose(ipv6(), tcp({ flags: ['syn', 'ack'] })), ['[S.]', '(correct)']],
  ['udp', compose(ipv4({ from: '78.168.1.2' }), udp({ to: 4242 }), raw('odd')), ['78.168.1.2.40000', '[udp sum ok]']],
  ['udp6', compose(ipv6(), udp()), ['[udp sum ok]']],
  ['icmp', compose(ipv4({ ttl: 9 }), icmp()), ['ttl 9', 'ICMP echo request']],
  ['icmp6', compose(ipv6(), icmpv6({ rest: 0x10002 })), ['[icmp6 sum ok] ICMP6, echo request, id 1, seq 2']],
  ['options', compose(ipv4({ options: [1, 1, 1] }), tcp()), ['options (NOP,NOP,NOP,EOL)', '(correct)']],
  ['tags', compose(vlan({ id: 7, kind: 'ad' }), vlan({ id: 9 }), ipv4(), tcp()), ['802.1Q-QinQ', 'vlan 7', 'vlan 9']],
  ['arp', compose(arp()), ['Request who-has 192.0.2.10 tell 203.0.113.50']],
  ['sctp', compose(ipv4(), sctp()), ['SCTP']],
  [
    'chain',
    compose(ipv6(), hopByHop(), destinationOptions(), routing(), authentication(), tcp()),
    ['HBH', 'DSTOPT', 'RT6', 'AH', 'Flags [S]'],
  ],
  ['mobility', compose(ipv6(), mobility({ nextHeader: 59, body: [0, 0, 0, 0, 0, 0] })), ['mobility']],
  ['fragment4', compose(ipv4({ moreFragments: true, id: 5 }), raw(new Uint8Array(16), 17)), ['flags [+]', 'id 5']],
  ['later4', compose(ipv4({ fragmentOffset: 16 }), raw(new Uint8Array(8), 17)), ['offset 16']],
  [
    'fragment6',
    compose(ipv6(), fragment({ offset: 8, more: true }), raw(new Uint8Array(8), 17)),
    ['frag (0x00000001:8|8)'],
  ],
  [
    'error4',
    compose(
      ipv4(),
      icmp({ type: 3, code: 3, quote: [ipv4({ from: '192.0.2.10', to: '203.0.113.50' }), udp({ to: 99 })] }),
    ),
    ['203.0.113.50 udp port 99 unreachable'],
  ],
  [
    'error6',
    compose(ipv6(), icmpv6({ type: 2, rest: 1280, quote: [ipv6({ from: '2001:db8:1::10' }), tcp()] })),
    ['[icmp6 sum ok] ICMP6, packet too big, mtu 1280'],
  ],
  [
    'nd',
    compose(ipv6({ hopLimit: 255 }), neighbour()),
    ['[icmp6 sum ok] ICMP6, neighbor solicitation', 'who has 2001:db8:1::10'],
  ],
  ['rs', compose(ipv6({ hopLimit: 255 }), router()), ['[icmp6 sum ok] ICMP6, router solicitation']],
  ['ra', compose(ipv6({ hopLimit: 255 }), router({ type: 134 })), ['[icmp6 sum ok] ICMP6, router advertisement']],
  [
    'mld2',
    compose(ipv6({ from: 'fe80::1', hopLimit: 1 }), multicastListener()),
    ['multicast listener report v2, 1 group'],
  ],
  [
    'mld1',
    compose(ipv6({ from: 'fe80::1', hopLimit: 1 }), multicastListener({ type: 131 })),
    ['multicast listener report'],
  ],
  ['short tcp', compose(ipv4(), truncate(4), tcp()), ['proto TCP (6), length 24)']],
];

describe('composed packets', () => {
  const texts = dissect(CASES.map(([, frame]) => frame));

  test.each(CASES.map(([name, , expected], i) => [name, expected, texts[i]] as const))(
    '%s is what tcpdump reads',
    (_, expected, text) => {
      for (const part of expected) expect(text).toContain(part);
      expect(text).not.toMatch(/bad|incorrect|invalid/);
    },
  );

  test('fields that lie are written as told', () => {
    const ihl = compose(ipv4({ ihl: 4, totalLength: 9 }), tcp({ dataOffset: 3 }));
    expect([ihl[14], ihl[17], ihl[46]]).toEqual([0x44, 9, 0x30]);
    expect(compose(ipv6({ payloadLength: 7 }), udp({ length: 3 }))[19]).toBe(7);
    expect(cut(compose(ipv4(), tcp()), 40)).toHaveLength(40);
  });

  test('a described frame can be made again from its description', () => {
    const frame = compose(ipv4(), tcp());
    const text = describeFrame(frame);
    expect(text).toContain('ipv4 protocol 6 from 203.0.113.50 port 40000 to 192.0.2.10 port 14141, 54 bytes: ');
    expect(hexOf(frameFromHex(text.split(': ').at(-1) ?? ''))).toBe(hexOf(frame));
  });
});
