/** Packets of one family, column by column, and the two forms in which the kernel gets them. */
import type { Family } from '../../../src/model/prefix';
import { putIpv4Checksum } from '../../support/generate/frame-batch';

const ETHERNET_BYTES = 14;
/** Behind the IP header: a header of any transport protocol, and payload up to the smallest Ethernet frame. */
const TRANSPORT_BYTES = 26;
/** `struct entry4` and `struct entry6` of generator.bpf.c. */
const ENTRY_BYTES = { 4: 16, 6: 40 } as const;

/** Words most significant first, as in the model. */
export class PacketColumns {
  readonly words: number;
  readonly source: Uint32Array;
  readonly destination: Uint32Array;
  /** For ICMP the type and code are in the place of the source port. */
  readonly sourcePort: Uint16Array;
  readonly destinationPort: Uint16Array;
  readonly protocol: Uint8Array;

  constructor(
    readonly family: Family,
    readonly count: number,
  ) {
    this.words = family === 4 ? 1 : 4;
    this.source = new Uint32Array(count * this.words);
    this.destination = new Uint32Array(count * this.words);
    this.sourcePort = new Uint16Array(count);
    this.destinationPort = new Uint16Array(count);
    this.protocol = new Uint8Array(count);
  }

  /** Takes packet `from` of another table as packet `to`. */
  copy(to: number, other: PacketColumns, from: number): void {
    const { words } = this;
    for (let word = 0; word < words; word++) {
      this.source[to * words + word] = other.source[from * words + word];
      this.destination[to * words + word] = other.destination[from * words + word];
    }
    this.sourcePort[to] = other.sourcePort[from];
    this.destinationPort[to] = other.destinationPort[from];
    this.protocol[to] = other.protocol[from];
  }

  /** Bytes of every frame. */
  get frameBytes(): number {
    return ETHERNET_BYTES + (this.family === 4 ? 20 : 40) + TRANSPORT_BYTES;
  }

  /** The frame the generator makes of packet `i`, with these MAC addresses (`02:…`). */
  writeFrame(bytes: Uint8Array, at: number, i: number, macs: { from: string; to: string }): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at, this.frameBytes);
    const mac = (text: string): number[] => text.split(':').map((part) => parseInt(part, 16));
    bytes.fill(0, at, at + this.frameBytes);
    bytes.set([...mac(macs.to), ...mac(macs.from)], at);
    const ip = ETHERNET_BYTES;
    let transport = ip + 20;
    if (this.family === 4) {
      view.setUint16(12, 0x0800);
      view.setUint16(ip, 0x4500);
      view.setUint16(ip + 2, 20 + TRANSPORT_BYTES);
      view.setUint8(ip + 8, 64);
      view.setUint8(ip + 9, this.protocol[i]);
      view.setUint32(ip + 12, this.source[i]);
      view.setUint32(ip + 16, this.destination[i]);
      putIpv4Checksum(bytes, at + ip, 20);
    } else {
      transport = ip + 40;
      view.setUint16(12, 0x86dd);
      view.setUint32(ip, 0x60000000);
      view.setUint16(ip + 4, TRANSPORT_BYTES);
      view.setUint8(ip + 6, this.protocol[i]);
      view.setUint8(ip + 7, 64);
      for (let word = 0; word < 4; word++) {
        view.setUint32(ip + 8 + 4 * word, this.source[i * 4 + word]);
        view.setUint32(ip + 24 + 4 * word, this.destination[i * 4 + word]);
      }
    }
    view.setUint16(transport, this.sourcePort[i]);
    view.setUint16(transport + 2, this.destinationPort[i]);
    // one body serves all: the length of UDP, five header words for TCP
    view.setUint16(transport + 4, TRANSPORT_BYTES);
    view.setUint8(transport + 12, 0x50);
  }

  /** The generator's trace: fields in network order. */
  trace(): Uint8Array {
    const size = ENTRY_BYTES[this.family];
    const bytes = new Uint8Array(this.count * size);
    const view = new DataView(bytes.buffer);
    const frame = new Uint8Array(this.frameBytes);
    const macs = { from: '02:00:00:00:00:01', to: '02:00:00:00:00:02' };
    for (let i = 0; i < this.count; i++) {
      this.writeFrame(frame, 0, i, macs);
      const at = i * size;
      const addresses = this.family === 4 ? frame.subarray(26, 34) : frame.subarray(22, 54);
      bytes.set(addresses, at);
      const ports = at + addresses.length;
      view.setUint16(ports, this.sourcePort[i]);
      view.setUint16(ports + 2, this.destinationPort[i]);
      bytes[ports + 4] = this.protocol[i];
      if (this.family === 4) bytes.set(frame.subarray(24, 26), ports + 6);
    }
    return bytes;
  }
}
