import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import fc from 'fast-check';
import { readCapture, writePcap } from '../../../src/observe/pcap';
import { compose, cut, hexOf, icmpv6, ipv4, ipv6, tcp } from '../../support/packet';

const FRAMES = [compose(ipv4(), tcp()), compose(ipv6(), icmpv6())];

/** Little writer of 32- and 16-bit fields in one byte order. */
function fields(littleEndian: boolean, ...parts: readonly (readonly [2 | 4, number] | Uint8Array)[]): Uint8Array {
  return Uint8Array.from(
    parts.flatMap((part) => {
      if (part instanceof Uint8Array) return [...part];
      const bytes = Buffer.alloc(4);
      if (part[0] === 2) bytes[littleEndian ? 'writeUInt16LE' : 'writeUInt16BE'](part[1]);
      else bytes[littleEndian ? 'writeUInt32LE' : 'writeUInt32BE'](part[1]);
      return [...bytes.subarray(0, part[0])];
    }),
  );
}

function pcap(options: { littleEndian: boolean; magic: number; fraction: number; linkType?: number }): Uint8Array {
  const { littleEndian, magic, fraction, linkType = 1 } = options;
  const head = fields(littleEndian, [4, magic], [2, 2], [2, 4], [4, 0], [4, 0], [4, 65535], [4, linkType]);
  const records = FRAMES.map((frame, i) =>
    fields(littleEndian, [4, 1_700_000_000 + i], [4, fraction], [4, frame.length], [4, frame.length + 7], frame),
  );
  return Buffer.concat([head, ...records]);
}

function block(littleEndian: boolean, type: number, body: Uint8Array): Uint8Array {
  const padding = new Uint8Array((4 - (body.length % 4)) % 4);
  const length = 12 + body.length + padding.length;
  return fields(littleEndian, [4, type], [4, length], body, padding, [4, length]);
}

const section = (le: boolean): Uint8Array =>
  block(le, 0x0a0d0d0a, fields(le, [4, 0x1a2b3c4d], [2, 1], [2, 0], [4, 0xffffffff], [4, 0xffffffff]));
const describeInterface = (le: boolean, linkType: number, snap: number, resolution?: number): Uint8Array =>
  block(
    le,
    1,
    resolution === undefined
      ? fields(le, [2, linkType], [2, 0], [4, snap])
      : fields(
          le,
          [2, linkType],
          [2, 0],
          [4, snap],
          [2, 9],
          [2, 1],
          Uint8Array.of(resolution, 0, 0, 0),
          [2, 0],
          [2, 0],
        ),
  );
const enhanced = (le: boolean, iface: number, units: bigint, frame: Uint8Array): Uint8Array =>
  block(
    le,
    6,
    fields(
      le,
      [4, iface],
      [4, Number(units >> 32n)],
      [4, Number(units & 0xffffffffn)],
      [4, frame.length],
      [4, frame.length],
      frame,
    ),
  );

describe('pcap files', () => {
  test.each([
    ['big-endian, microseconds', false, 0xa1b2c3d4, 1_700_000_000_000_005_000n],
    ['little-endian, microseconds', true, 0xa1b2c3d4, 1_700_000_000_000_005_000n],
    ['big-endian, nanoseconds', false, 0xa1b23c4d, 1_700_000_000_000_000_005n],
    ['little-endian, nanoseconds', true, 0xa1b23c4d, 1_700_000_000_000_000_005n],
  ])('%s', (_, littleEndian, magic, firstNs) => {
    const { linkType, frames } = readCapture(pcap({ littleEndian, magic, fraction: 5 }));
    expect(linkType).toBe(1);
    expect(frames.map(({ number, bytes }) => [number, hexOf(bytes)])).toEqual(FRAMES.map((f, i) => [i + 1, hexOf(f)]));
    expect(frames[0].timestampNs).toBe(firstNs);
    expect(frames[1].originalLength).toBe(FRAMES[1].length + 7);
  });

  test('what is written is read back', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            bytes: fc.uint8Array({ maxLength: 80 }),
            timestampNs: fc.bigInt({ min: 0n, max: 2n ** 32n * 1_000_000_000n - 1n }),
          }),
        ),
        (written) => {
          const { frames } = readCapture(writePcap(written));
          expect(frames.map(({ bytes, timestampNs }) => ({ bytes, timestampNs }))).toEqual(written);
        },
      ),
    );
  });

  test('tcpdump reads what is written', () => {
    const directory = mkdtempSync(joinPath(tmpdir(), 'slc-pcap-'));
    try {
      const file = joinPath(directory, 'written.pcap');
      writeFileSync(file, writePcap(FRAMES.map((bytes) => ({ bytes }))));
      const text = execFileSync('tcpdump', ['-nn', '-r', file], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      expect(text).toContain('203.0.113.50.40000 > 192.0.2.10.14141: Flags [S]');
      expect(text).toContain('2001:db8:7::50 > 2001:db8:1::10: ICMP6, echo request');
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test('an empty capture has no frames', () => {
    expect(readCapture(writePcap([])).frames).toEqual([]);
  });
});

describe('pcapng files', () => {
  test.each([
    ['big-endian', false],
    ['little-endian', true],
  ])('%s: enhanced and simple packets, foreign blocks between them', (_, le) => {
    const file = Buffer.concat([
      section(le),
      describeInterface(le, 1, 0, 9),
      block(le, 0x0bad, Uint8Array.of(1, 2, 3)),
      enhanced(le, 0, 1_700_000_000_000_000_005n, FRAMES[0]),
      block(le, 3, fields(le, [4, FRAMES[1].length], FRAMES[1])),
    ]);
    const { frames } = readCapture(file);
    expect(frames.map(({ bytes }) => hexOf(bytes))).toEqual(FRAMES.map(hexOf));
    expect(frames.map(({ timestampNs }) => timestampNs)).toEqual([1_700_000_000_000_000_005n, 0n]);
  });

  test('time resolution: microseconds unless told, powers of ten and of two', () => {
    const at = (resolution: number | undefined, units: bigint): bigint =>
      readCapture(
        Buffer.concat([section(true), describeInterface(true, 1, 0, resolution), enhanced(true, 0, units, FRAMES[0])]),
      ).frames[0].timestampNs;
    expect(at(undefined, 7n)).toBe(7_000n);
    expect(at(3, 7n)).toBe(7_000_000n);
    expect(at(0x80 | 1, 7n)).toBe(3_500_000_000n);
  });

  test('a simple packet is cut at the snap length of its interface', () => {
    const kept = FRAMES[0].subarray(0, 20);
    const file = Buffer.concat([
      section(true),
      describeInterface(true, 1, 20),
      block(true, 3, fields(true, [4, FRAMES[0].length], kept)),
    ]);
    const [frame] = readCapture(file).frames;
    expect(hexOf(frame.bytes)).toBe(hexOf(kept));
    expect(frame.originalLength).toBe(FRAMES[0].length);
  });

  test('a second section has its own byte order and interfaces', () => {
    const part = (le: boolean): Uint8Array =>
      Buffer.concat([section(le), describeInterface(le, 1, 0), enhanced(le, 0, 1n, FRAMES[0])]);
    expect(readCapture(Buffer.concat([part(true), part(false)])).frames.map(({ number }) => number)).toEqual([1, 2]);
    const stale = Buffer.concat([part(true), section(false), enhanced(false, 0, 1n, FRAMES[0])]);
    expect(() => readCapture(stale)).toThrow('packet 2 names interface 0, which is not described');
  });
});

describe('files that are no capture', () => {
  const code = (bytes: Uint8Array): unknown => {
    try {
      readCapture(bytes);
    } catch (error) {
      return (error as { code: unknown }).code;
    }
    return 'read';
  };

  test('another file is named as foreign', () => {
    expect(code(new TextEncoder().encode('version: 1\n'))).toBe('capture/foreign');
    expect(code(new Uint8Array(0))).toBe('capture/foreign');
    expect(() => readCapture(Uint8Array.of(0x1f, 0x8b, 8, 0))).toThrow('compressed with gzip');
  });

  test('a link type that is not Ethernet is named', () => {
    const cooked = pcap({ littleEndian: true, magic: 0xa1b2c3d4, fraction: 0, linkType: 113 });
    expect(() => readCapture(cooked)).toThrow('link type 113 (Linux cooked, as `tcpdump -i any` writes)');
    const ng = Buffer.concat([section(true), describeInterface(true, 101, 0), enhanced(true, 0, 1n, FRAMES[0])]);
    expect(() => readCapture(ng)).toThrow('link type 101 (raw IP), expected 1 (Ethernet)');
  });

  test('every cut of a capture is truncated or reads fewer frames, never anything else', () => {
    const whole = {
      pcap: pcap({ littleEndian: true, magic: 0xa1b2c3d4, fraction: 0 }),
      pcapng: Buffer.concat([section(false), describeInterface(false, 1, 0), enhanced(false, 0, 1n, FRAMES[0])]),
    };
    for (const bytes of Object.values(whole)) {
      for (let length = 4; length < bytes.length; length++) {
        expect(['capture/truncated', 'read']).toContain(code(cut(bytes, length)));
      }
    }
    expect(code(cut(whole.pcap, whole.pcap.length - 1))).toBe('capture/truncated');
    expect(code(cut(whole.pcapng, whole.pcapng.length - 1))).toBe('capture/truncated');
  });

  test('damaged files end in one of the four errors or in frames', () => {
    const bytes = Buffer.concat([section(true), describeInterface(true, 1, 0, 6), enhanced(true, 0, 1n, FRAMES[0])]);
    const known = ['read', 'capture/foreign', 'capture/truncated', 'capture/link-type', 'capture/malformed'];
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (position, value) => {
        const damaged = Uint8Array.from(bytes);
        damaged[position] = value;
        expect(known).toContain(code(damaged));
      }),
      { numRuns: 2000 },
    );
  });
});
