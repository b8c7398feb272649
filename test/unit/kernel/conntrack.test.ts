import { parseTracked } from '../../../src/kernel/conntrack';

const MASQUERADED =
  'ipv4     2 tcp      6 431999 ESTABLISHED src=10.0.0.2 dst=192.0.2.1 sport=40000 dport=8080 ' +
  'src=192.0.2.1 dst=192.0.2.10 sport=8080 dport=53211 [ASSURED] mark=0 zone=0 use=2';
const DATAGRAM =
  'ipv6     10 udp      17 29 src=2001:0db8:0000:0000:0000:0000:0000:0001 dst=2001:0db8:0000:0000:0000:0000:00ff:fe02 ' +
  'sport=5000 dport=53 [UNREPLIED] src=2001:0db8:0000:0000:0000:0000:00ff:fe02 ' +
  'dst=2001:0db8:0000:0000:0000:0000:0000:0001 sport=53 dport=5000 mark=0 zone=0 use=2';

test('a masqueraded TCP connection: both directions, as each is written', () => {
  expect(parseTracked(`${MASQUERADED}\n`)).toEqual([
    {
      family: 4,
      protocol: 6,
      state: 'ESTABLISHED',
      original: {
        source: { words: [0x0a000002], port: 40000 },
        destination: { words: [0xc0000201], port: 8080 },
      },
      reply: {
        source: { words: [0xc0000201], port: 8080 },
        destination: { words: [0xc000020a], port: 53211 },
      },
    },
  ]);
});

test('a datagram over IPv6 has no state', () => {
  const [{ family, protocol, state, reply }] = parseTracked(DATAGRAM);
  expect({ family, protocol, state, reply }).toEqual({
    family: 6,
    protocol: 17,
    state: '',
    reply: {
      source: { words: [0x20010db8, 0, 0, 0x00fffe02], port: 53 },
      destination: { words: [0x20010db8, 0, 0, 1], port: 5000 },
    },
  });
});

test('lines of another shape are left out', () => {
  const icmp =
    'ipv4 2 icmp 1 29 src=192.0.2.1 dst=192.0.2.2 type=8 code=0 id=1 src=192.0.2.2 dst=192.0.2.1 type=0 code=0 id=1';
  expect(parseTracked(`\nnonsense\n${icmp}\n${MASQUERADED.split(' src=192.0.2.1')[0]}\n`)).toEqual([]);
});
