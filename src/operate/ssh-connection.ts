import type { FlowKey } from '../model/packet';
import { addressBits, type Prefix } from '../model/prefix';
import { PROTOCOL } from '../model/protocol';
import { parseAddressText } from '../parse/address';

/**
 * Reads `SSH_CONNECTION` (sshd(8): client address, client port, server address, server port) as the packet that the
 * client sends; null where it is something else, such as `UNKNOWN` for a session without a network.
 */
export function parseSshConnection(value: string): FlowKey | null {
  const [client, clientPort, server, serverPort, ...rest] = value.trim().split(/\s+/);
  if (serverPort === undefined || rest.length > 0) return null;
  const [source, destination] = [hostOf(client), hostOf(server)];
  const ports = [clientPort, serverPort].map(Number);
  if (!source || source.family !== destination?.family) return null;
  if (!ports.every((port) => Number.isInteger(port) && port >= 1 && port <= 65535)) return null;
  return {
    family: source.family,
    source: source.words,
    destination: destination.words,
    protocol: PROTOCOL.TCP,
    sourcePort: ports[0],
    destinationPort: ports[1],
  };
}

/** An address as sshd writes it: link-local ones carry a zone, IPv4 can come inside IPv6. */
function hostOf(text: string): Prefix | null {
  const bare = text.replace(/%.*$/, '').replace(/^::ffff:(?=\d+\.)/i, '');
  const reading = parseAddressText(bare);
  if (reading.kind === 'refused') return null;
  return reading.prefix.length === addressBits(reading.prefix.family) ? reading.prefix : null;
}
