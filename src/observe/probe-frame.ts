/** A packet given by its fields → an Ethernet frame with just those fields, to be judged by the datapath. */
import type { FlowKey } from '../model/packet';
import { PORT_PROTOCOLS, PROTOCOL } from '../model/protocol';

const ETHERNET = 14;

/** The frame: a TCP SYN, an empty UDP datagram, an ICMP message, or 8 bytes of another protocol. Checksums are zero. */
export function buildProbeFrame(key: FlowKey): Uint8Array {
  const transport = buildTransport(key);
  const ipBytes = key.family === 4 ? 20 : 40;
  const frame = Buffer.alloc(ETHERNET + ipBytes + transport.length);
  frame.writeUInt16BE(key.family === 4 ? 0x0800 : 0x86dd, 12);
  const ip = frame.subarray(ETHERNET);
  if (key.family === 4) {
    ip[0] = 0x45;
    ip.writeUInt16BE(ipBytes + transport.length, 2);
    ip[8] = 64;
    ip[9] = key.protocol;
    ip.writeUInt32BE(key.source[0], 12);
    ip.writeUInt32BE(key.destination[0], 16);
  } else {
    ip[0] = 0x60;
    ip.writeUInt16BE(transport.length, 4);
    ip[6] = key.protocol;
    ip[7] = 64;
    key.source.forEach((word, i) => ip.writeUInt32BE(word, 8 + 4 * i));
    key.destination.forEach((word, i) => ip.writeUInt32BE(word, 24 + 4 * i));
  }
  transport.copy(ip, ipBytes);
  return frame;
}

function buildTransport(key: FlowKey): Buffer {
  const carrier = PORT_PROTOCOLS.get(key.protocol);
  const bytes = Buffer.alloc(carrier?.headerBytes ?? 8);
  if (key.icmp) {
    bytes[0] = key.icmp.type;
    bytes[1] = key.icmp.code;
  } else if (carrier) {
    bytes.writeUInt16BE(key.sourcePort, 0);
    bytes.writeUInt16BE(key.destinationPort, 2);
    if (key.protocol === PROTOCOL.TCP) {
      bytes[12] = 5 << 4;
      bytes[13] = 0x02;
    }
    if (key.protocol === PROTOCOL.UDP) bytes.writeUInt16BE(8, 4);
  }
  return bytes;
}
