/**
 * Capture files: pcap (both byte orders, microseconds and nanoseconds) and pcapng (section, interface, enhanced,
 * simple and obsolete packet blocks), after draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng.
 */
import { SluiceError } from '../kernel/errors';

/** LINKTYPE_ETHERNET of the tcpdump registry. */
const LINKTYPE_ETHERNET = 1;
const LINK_TYPE_NAMES: ReadonlyMap<number, string> = new Map([
  [0, 'BSD loopback'],
  [101, 'raw IP'],
  [105, '802.11'],
  [113, 'Linux cooked, as `tcpdump -i any` writes'],
  [127, '802.11 with radiotap'],
  [276, 'Linux cooked v2, as `tcpdump -i any` writes'],
]);

const PCAP_MICROSECONDS = 0xa1b2c3d4;
const PCAP_NANOSECONDS = 0xa1b23c4d;
const PCAPNG_SECTION = 0x0a0d0d0a;
const PCAPNG_BYTE_ORDER = 0x1a2b3c4d;
const PCAPNG_INTERFACE = 1;
const PCAPNG_OBSOLETE_PACKET = 2;
const PCAPNG_SIMPLE_PACKET = 3;
const PCAPNG_ENHANCED_PACKET = 6;
const OPTION_END = 0;
const OPTION_TIME_RESOLUTION = 9;

/** One captured frame, beginning with its destination MAC address. */
export interface CapturedFrame {
  /** Position in the file, from 1. */
  readonly number: number;
  /** Nanoseconds since 1970; 0 where the file does not tell. */
  readonly timestampNs: bigint;
  /** What was kept of the frame. */
  readonly bytes: Uint8Array;
  /** Its length on the wire, at least that of `bytes`. */
  readonly originalLength: number;
}

/** A capture file, read. */
export interface Capture {
  /** Always 1, Ethernet. */
  readonly linkType: number;
  readonly frames: readonly CapturedFrame[];
}

/**
 * Reads a capture file. Throws `SluiceError`: `capture/foreign` (not a capture file), `capture/truncated` (ends inside
 * a record; the offset is named), `capture/link-type` (not Ethernet), `capture/malformed` (contradicts itself).
 */
export function readCapture(bytes: Uint8Array): Capture {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 4) throw foreign('it is shorter than any header');
  for (const littleEndian of [false, true]) {
    const magic = view.getUint32(0, littleEndian);
    if (magic === PCAP_MICROSECONDS) return readPcap(view, littleEndian, 1000n);
    if (magic === PCAP_NANOSECONDS) return readPcap(view, littleEndian, 1n);
  }
  if (view.getUint32(0) === PCAPNG_SECTION) return readPcapng(view);
  if (view.getUint16(0) === 0x1f8b) {
    throw foreign('it is compressed with gzip', 'decompress it first: `gunzip FILE`');
  }
  throw foreign(`it begins with ${hex(view.getUint32(0))}`);
}

function readPcap(view: DataView, littleEndian: boolean, unitNs: bigint): Capture {
  if (view.byteLength < 24) throw truncated('the file header', 0);
  // The upper bits tell about the frame check sequence; the link type is the lower half.
  requireEthernet(view.getUint32(20, littleEndian) & 0xffff);
  const frames: CapturedFrame[] = [];
  for (let offset = 24; offset < view.byteLength;) {
    if (view.byteLength - offset < 16) throw truncated(`the header of packet ${frames.length + 1}`, offset);
    const seconds = BigInt(view.getUint32(offset, littleEndian));
    const fraction = BigInt(view.getUint32(offset + 4, littleEndian));
    const captured = view.getUint32(offset + 8, littleEndian);
    const original = view.getUint32(offset + 12, littleEndian);
    if (captured > view.byteLength - offset - 16) throw truncated(`packet ${frames.length + 1}`, offset);
    frames.push({
      number: frames.length + 1,
      timestampNs: seconds * 1_000_000_000n + fraction * unitNs,
      bytes: slice(view, offset + 16, captured),
      originalLength: Math.max(original, captured),
    });
    offset += 16 + captured;
  }
  return { linkType: LINKTYPE_ETHERNET, frames };
}

interface CaptureInterface {
  readonly linkType: number;
  /** 0: unlimited. */
  readonly snapLength: number;
  readonly unitsPerSecond: bigint;
}

function readPcapng(view: DataView): Capture {
  const frames: CapturedFrame[] = [];
  let interfaces: CaptureInterface[] = [];
  let littleEndian = false;
  for (let offset = 0; offset < view.byteLength;) {
    const left = view.byteLength - offset;
    if (left < 12) throw truncated('a block header', offset);
    if (view.getUint32(offset) === PCAPNG_SECTION) {
      littleEndian = view.getUint32(offset + 8, true) === PCAPNG_BYTE_ORDER;
      if (!littleEndian && view.getUint32(offset + 8) !== PCAPNG_BYTE_ORDER) {
        throw malformed('the section header has no byte-order mark', offset);
      }
      interfaces = [];
    }
    const type = view.getUint32(offset, littleEndian);
    const length = view.getUint32(offset + 4, littleEndian);
    if (length < 12 || length % 4 !== 0) throw malformed(`a block of ${length} bytes`, offset);
    if (length > left) throw truncated(`a block of ${length} bytes`, offset);
    const body = new DataView(view.buffer, view.byteOffset + offset + 8, length - 12);
    const at = { littleEndian, offset, number: frames.length + 1 };
    if (type === PCAPNG_INTERFACE) interfaces.push(readInterface(body, at));
    const frame = readPacketBlock(type, body, interfaces, at);
    if (frame) frames.push(frame);
    offset += length;
  }
  return { linkType: LINKTYPE_ETHERNET, frames };
}

interface BlockPlace {
  readonly littleEndian: boolean;
  readonly offset: number;
  /** Number of the next frame. */
  readonly number: number;
}

function readInterface(body: DataView, { littleEndian, offset }: BlockPlace): CaptureInterface {
  if (body.byteLength < 8) throw malformed('an interface block that is too short', offset);
  let unitsPerSecond = 1_000_000n;
  for (let at = 8; at + 4 <= body.byteLength;) {
    const code = body.getUint16(at, littleEndian);
    const length = body.getUint16(at + 2, littleEndian);
    if (code === OPTION_END) break;
    if (at + 4 + length > body.byteLength) throw malformed('an option that leaves its block', offset);
    if (code === OPTION_TIME_RESOLUTION && length === 1) {
      const value = body.getUint8(at + 4);
      unitsPerSecond = value >= 0x80 ? 2n ** BigInt(value & 0x7f) : 10n ** BigInt(value);
    }
    at += 4 + Math.ceil(length / 4) * 4;
  }
  return {
    linkType: body.getUint16(0, littleEndian),
    snapLength: body.getUint32(4, littleEndian),
    unitsPerSecond,
  };
}

function readPacketBlock(
  type: number,
  body: DataView,
  interfaces: readonly CaptureInterface[],
  { littleEndian, offset, number }: BlockPlace,
): CapturedFrame | null {
  const simple = type === PCAPNG_SIMPLE_PACKET;
  if (!simple && type !== PCAPNG_ENHANCED_PACKET && type !== PCAPNG_OBSOLETE_PACKET) return null;
  const headerBytes = simple ? 4 : 20;
  if (body.byteLength < headerBytes) throw malformed('a packet block that is too short', offset);
  let index = 0;
  if (type === PCAPNG_ENHANCED_PACKET) index = body.getUint32(0, littleEndian);
  if (type === PCAPNG_OBSOLETE_PACKET) index = body.getUint16(0, littleEndian);
  const source = interfaces.at(index);
  if (!source) throw malformed(`packet ${number} names interface ${index}, which is not described`, offset);
  requireEthernet(source.linkType);
  const original = body.getUint32(simple ? 0 : 16, littleEndian);
  // A simple block tells no captured length: it is what the snap length left (draft-ietf-opsawg-pcapng §4.4).
  const limit = source.snapLength === 0 ? original : source.snapLength;
  const captured = simple ? Math.min(original, limit) : body.getUint32(12, littleEndian);
  if (captured > body.byteLength - headerBytes) throw malformed(`packet ${number} is longer than its block`, offset);
  const units = simple
    ? 0n
    : (BigInt(body.getUint32(4, littleEndian)) << 32n) | BigInt(body.getUint32(8, littleEndian));
  return {
    number,
    timestampNs: (units * 1_000_000_000n) / source.unitsPerSecond,
    bytes: slice(body, headerBytes, captured),
    originalLength: Math.max(original, captured),
  };
}

/** Frames as a pcap file with nanosecond timestamps, little-endian, link type Ethernet. */
export function writePcap(
  frames: readonly { readonly bytes: Uint8Array; readonly timestampNs?: bigint; readonly originalLength?: number }[],
): Uint8Array {
  const size = frames.reduce((sum, { bytes }) => sum + 16 + bytes.length, 24);
  const file = new Uint8Array(size);
  const view = new DataView(file.buffer);
  view.setUint32(0, PCAP_NANOSECONDS, true);
  view.setUint16(4, 2, true); // version 2.4
  view.setUint16(6, 4, true);
  view.setUint32(16, 0x40000, true); // snap length, as tcpdump writes it
  view.setUint32(20, LINKTYPE_ETHERNET, true);
  let offset = 24;
  for (const { bytes, timestampNs = 0n, originalLength = bytes.length } of frames) {
    view.setUint32(offset, Number(timestampNs / 1_000_000_000n), true);
    view.setUint32(offset + 4, Number(timestampNs % 1_000_000_000n), true);
    view.setUint32(offset + 8, bytes.length, true);
    view.setUint32(offset + 12, originalLength, true);
    file.set(bytes, offset + 16);
    offset += 16 + bytes.length;
  }
  return file;
}

function slice(view: DataView, offset: number, length: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + offset, length).slice();
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}

function requireEthernet(linkType: number): void {
  if (linkType === LINKTYPE_ETHERNET) return;
  const name = LINK_TYPE_NAMES.get(linkType);
  throw new SluiceError(
    'capture/link-type',
    `the capture has link type ${linkType}${name === undefined ? '' : ` (${name})`}, expected ${LINKTYPE_ETHERNET} (Ethernet)`,
    { hint: 'capture on one interface: `tcpdump -i eth0 -w FILE`' },
  );
}

function foreign(
  found: string,
  hint = 'expected a pcap or pcapng file, as `tcpdump -i eth0 -w FILE` writes',
): SluiceError {
  return new SluiceError('capture/foreign', `this is not a capture file: ${found}`, { hint });
}

function truncated(what: string, offset: number): SluiceError {
  return new SluiceError('capture/truncated', `the capture ends inside ${what}, which begins at byte ${offset}`, {
    hint: 'was it still being written? stop tcpdump first, or use its `-U`',
  });
}

function malformed(what: string, offset: number): SluiceError {
  return new SluiceError('capture/malformed', `the capture contradicts itself at byte ${offset}: ${what}`);
}
