import { parseProbe } from '../../../src/parse/probe';

const V4 = { family: 4, source: [0x4ea80102], destination: [0xc6336407] };
const V6 = { family: 6, source: [0x20010db8, 0, 0, 1], destination: [0x20010db8, 0, 0, 2] };

describe('parseProbe', () => {
  test.each([
    [
      'tcp from 78.168.1.2 port 5555 to 198.51.100.7 port 14541',
      { ...V4, protocol: 6, sourcePort: 5555, destinationPort: 14541 },
    ],
    ['tcp 78.168.1.2:5555 -> 198.51.100.7:14541', { ...V4, protocol: 6, sourcePort: 5555, destinationPort: 14541 }],
    ['tcp 78.168.1.2 -> 198.51.100.7:14541', { ...V4, protocol: 6, sourcePort: 49152, destinationPort: 14541 }],
    ['UDP FROM 78.168.1.2 TO 198.51.100.7 PORT 53', { ...V4, protocol: 17, sourcePort: 49152, destinationPort: 53 }],
    ['tcp from 78.168.1.2 port 22', null],
    ['tcp from 78.168.1.2 to 198.51.100.7:22', null],
    ['udp [2001:db8::1]:53 -> [2001:db8::2]:5353', { ...V6, protocol: 17, sourcePort: 53, destinationPort: 5353 }],
    ['tcp from 2001:db8::1 to 2001:db8::2 port 22', { ...V6, protocol: 6, sourcePort: 49152, destinationPort: 22 }],
    [
      'icmp from 78.168.1.2 to 198.51.100.7',
      { ...V4, protocol: 1, sourcePort: 0, destinationPort: 0, icmp: { type: 8, code: 0 } },
    ],
    [
      'icmp from 78.168.1.2 to 198.51.100.7 type 3 code 4',
      { ...V4, protocol: 1, sourcePort: 0, destinationPort: 0, icmp: { type: 3, code: 4 } },
    ],
    [
      'icmpv6 from 2001:db8::1 to 2001:db8::2 type packet-too-big',
      { ...V6, protocol: 58, sourcePort: 0, destinationPort: 0, icmp: { type: 2, code: 0 } },
    ],
    ['gre from 78.168.1.2 to 198.51.100.7', { ...V4, protocol: 47, sourcePort: 0, destinationPort: 0 }],
    [
      'Nov 22 03:50:31 edge kernel: [UFW BLOCK] IN=eth0 OUT= MAC=00:11 SRC=78.168.1.2 DST=198.51.100.7 LEN=60 TOS=0x00 PROTO=TCP SPT=5555 DPT=14541 WINDOW=1 SYN URGP=0',
      { ...V4, protocol: 6, sourcePort: 5555, destinationPort: 14541 },
    ],
    [
      '[SLUICE BLOCK] SRC=2001:0db8:0000:0000:0000:0000:0000:0001 DST=2001:0db8:0000:0000:0000:0000:0000:0002 PROTO=ICMPv6 TYPE=128 CODE=0',
      null,
    ],
    [
      'IN=eth0 SRC=78.168.1.2 DST=198.51.100.7 PROTO=ICMP TYPE=3 CODE=3 [SRC=1.1.1.1 DST=2.2.2.2 PROTO=UDP SPT=1 DPT=2 ]',
      null,
    ],
  ])('%s', (text, expected) => {
    const { probe, findings } = parseProbe(text);
    if (expected) {
      expect(findings).toEqual([]);
      expect(probe).toEqual(expected);
    } else expect(probe === null).toBe(findings.length > 0);
  });

  test('without a destination it is left open', () => {
    expect(parseProbe('tcp from 78.168.1.2 to port 22').probe).toMatchObject({
      ...{ destination: undefined, sourcePort: 49152, destinationPort: 22 },
    });
    expect(parseProbe('tcp from port 22').probe).toBeNull();
    expect(parseProbe('tcp from 78.168.1.2 to').probe).toBeNull();
    expect(parseProbe('icmp from 78.168.1.2').probe).toMatchObject({
      destination: undefined,
      icmp: { type: 8, code: 0 },
    });
    expect(parseProbe('SRC=78.168.1.2 PROTO=TCP DPT=22').probe).toMatchObject({
      destination: undefined,
      destinationPort: 22,
    });
  });

  test.each([
    ['', 'no source'],
    ['from 78.168.1.2 to 198.51.100.7 port 22', 'no protocol'],
    ['tcp from 78.168.1.2 to 198.51.100.7', 'no destination port'],
    ['tcp from 78.168.0.0/16 to 198.51.100.7 port 22', 'one address'],
    ['tcp from 78.168.1.2 to 198.51.100.7 port 22:23', 'one port'],
    ['tcp from 78.168.1.2 to 2001:db8::1 port 22', 'family'],
    ['icmp from 2001:db8::1 to 2001:db8::2', 'IPv6'],
    ['icmp from 78.168.1.2 to 198.51.100.7 port 22', 'no ports'],
    ['icmp from 78.168.1.2 to 198.51.100.7 type packet-too-big', 'no type'],
    ['icmp from 78.168.1.2 to 198.51.100.7 type 8 code 256', 'not a code'],
    ['icmp from 78.168.1.2 to 198.51.100.7 code 1', 'without its type'],
    ['tcp from 78.168.1.2 from 78.168.1.3 to 198.51.100.7 port 22', 'only one'],
    ['tcp from 78.168.1.2 to 198.51.100.7 port 0', 'not a port'],
    ['tcp from 010.0.0.1 to 198.51.100.7 port 22', 'leading zero'],
    ['tcp from 78.168.1.2 to 198.51.100.7 port 22 please', 'no place'],
    ['xyz from 78.168.1.2 to 198.51.100.7 port 22', 'no place'],
    ['tcp from 78.168.1.2 to', 'missing'],
  ])('refuses %j: %s', (text, message) => {
    const { probe, findings } = parseProbe(text);
    expect(probe).toBeNull();
    expect(findings.map((finding) => finding.message).join('\n')).toContain(message);
  });

  test.each([
    ['[SLUICE BLOCK] IN=eth0 OUT= SRC=192.0.2.1 DST=192.0.2.2 PROTO=47 RULE= REASON=default GEN=3 EVENT=a-0', 'in', 3],
    ['[SLUICE AUDIT] IN= OUT=eth0 SRC=192.0.2.1 DST=192.0.2.2 PROTO=47 REASON=default GEN=12', 'out', 12],
    ['kernel: [UFW BLOCK] IN=eth0 OUT=eth1 SRC=192.0.2.1 DST=192.0.2.2 PROTO=47', 'in', null],
    ['SRC=192.0.2.1 DST=192.0.2.2 PROTO=47', 'in', null],
  ])('%s', (text, direction, generation) => {
    expect(parseProbe(text)).toMatchObject({ findings: [], line: { direction, generation } });
  });

  test('what is typed is no line', () => {
    expect(parseProbe('tcp from 192.0.2.1 to 192.0.2.2 port 22')).not.toHaveProperty('line');
  });
});
