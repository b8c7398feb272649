import { decodeTracked, parseTracked } from '../../../src/kernel/conntrack';

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

describe('a dump of netlink', () => {
  const attribute = (type: number, ...parts: readonly Buffer[]): Buffer => {
    const body = Buffer.concat(parts);
    const head = Buffer.alloc(4);
    head.writeUInt16LE(4 + body.length, 0);
    head.writeUInt16LE(type, 2);
    return Buffer.concat([head, body, Buffer.alloc(-body.length & 3)]);
  };
  const tuple = (type: number, source: string, destination: string, ports: readonly [number, number], protocol = 6) =>
    attribute(
      type | 0x8000,
      attribute(1 | 0x8000, attribute(1, Buffer.from(source, 'hex')), attribute(2, Buffer.from(destination, 'hex'))),
      attribute(
        2 | 0x8000,
        attribute(1, Buffer.from([protocol])),
        ...ports.map((port, i) => attribute(2 + i, Buffer.from([port >> 8, port & 255]))),
      ),
    );
  const message = (...attributes: readonly Buffer[]): Buffer => {
    const body = Buffer.concat([Buffer.from([2, 0, 0, 0]), ...attributes]);
    const head = Buffer.alloc(16);
    head.writeUInt32LE(16 + body.length, 0);
    head.writeUInt16LE(0x100, 4);
    return Buffer.concat([head, body]);
  };
  const established = attribute(4 | 0x8000, attribute(1 | 0x8000, attribute(1, Buffer.from([3]))));
  const original = tuple(1, '0a000002', 'c0000201', [40000, 8080]);
  const reply = tuple(2, 'c0000201', 'c000020a', [8080, 53211]);

  test('says what the file says', () => {
    const dump = message(original, reply, established);
    expect(decodeTracked(dump)).toEqual(parseTracked(`${MASQUERADED}\n`));
    expect(decodeTracked(Buffer.concat([dump, dump]))).toHaveLength(2);
  });

  test('cut short anywhere it is read as far as it goes; keys of GRE are no ports; a state nobody knows is none', () => {
    const whole = message(original, reply, established);
    for (let length = 0; length < whole.length; length++) {
      expect(decodeTracked(whole.subarray(0, length))).toEqual([]);
      // Attributes that end too soon, in a message that is whole.
      const body = Buffer.from(whole.subarray(0, Math.max(length, 16)));
      body.writeUInt32LE(body.length, 0);
      for (const { state } of decodeTracked(body)) expect(['', 'ESTABLISHED']).toContain(state);
    }
    const keys = [tuple(1, '0a000002', 'c0000201', [1, 2], 47), tuple(2, 'c0000201', 'c000020a', [2, 1], 47)];
    expect(decodeTracked(message(...keys))).toEqual([]);
    const odd = attribute(4, attribute(1, attribute(1, Buffer.from([99]))));
    expect(decodeTracked(message(original, reply, odd))).toMatchObject([{ state: '' }]);
  });
});
