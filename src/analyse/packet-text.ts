/** A packet in the words that `explain` takes, so that every example can be pasted. */
import type { FlowKey } from '../model/packet';
import { formatAddress } from '../model/prefix';
import { PORT_PROTOCOLS, PROTOCOL } from '../model/protocol';

/** `tcp from 192.0.2.9 port 40000 to 198.51.100.9 port 22`, `icmp type 3 code 1 from … to …`, `proto 47 from … to …`. */
export function describePacket(key: FlowKey): string {
  const source = formatAddress(key.family, key.source);
  const destination = formatAddress(key.family, key.destination);
  if (key.icmp) {
    const name = key.protocol === PROTOCOL.ICMP ? 'icmp' : 'icmpv6';
    const code = key.icmp.code === 0 ? '' : ` code ${key.icmp.code}`;
    return `${name} type ${key.icmp.type}${code} from ${source} to ${destination}`;
  }
  const carrier = PORT_PROTOCOLS.get(key.protocol);
  if (!carrier) return `proto ${key.protocol} from ${source} to ${destination}`;
  return `${carrier.name} from ${source} port ${key.sourcePort} to ${destination} port ${key.destinationPort}`;
}
