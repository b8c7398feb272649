/**
 * Messages of netlink, taken apart (netlink(7), rtnetlink(7)). Numbers are in the host's order, little-endian here,
 * but those of connection tracking: see conntrack.ts.
 */

/** A message of a dump: its type, and what follows the netlink header. */
export interface NetlinkMessage {
  readonly type: number;
  readonly body: Buffer;
}

const HEADER = 16;
/** The flag for nested attributes, and that for network order. */
const TYPE_MASK = 0x3fff;

function aligned(length: number): number {
  return (length + 3) & ~3;
}

/** The messages of a dump; a truncated one ends the list. */
export function* netlinkMessages(dump: Uint8Array): Generator<NetlinkMessage> {
  const bytes = Buffer.from(dump.buffer, dump.byteOffset, dump.byteLength);
  for (let at = 0; at + HEADER <= bytes.length;) {
    const length = bytes.readUInt32LE(at);
    if (length < HEADER || at + length > bytes.length) return;
    yield { type: bytes.readUInt16LE(at + 4), body: bytes.subarray(at + HEADER, at + length) };
    at += aligned(length);
  }
}

/** Attributes by type; of several of one type the last. A truncated one ends the list. */
export function netlinkAttributes(bytes: Buffer): Map<number, Buffer> {
  const attributes = new Map<number, Buffer>();
  for (let at = 0; at + 4 <= bytes.length;) {
    const length = bytes.readUInt16LE(at);
    if (length < 4 || at + length > bytes.length) break;
    attributes.set(bytes.readUInt16LE(at + 2) & TYPE_MASK, bytes.subarray(at + 4, at + length));
    at += aligned(length);
  }
  return attributes;
}

/** A NUL-terminated string. */
export function netlinkText(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
}

/** A 32-bit number, or undefined where the attribute is missing or short. */
export function netlinkNumber(bytes: Buffer | undefined): number | undefined {
  return bytes !== undefined && bytes.length >= 4 ? bytes.readUInt32LE(0) : undefined;
}
