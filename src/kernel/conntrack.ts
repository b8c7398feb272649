/** Connections that the kernel's own tracking knows: what a router forwards, with NAT. */
import type { AddressWords, Family } from '../model/prefix';
import { KernelError, UnsupportedError } from './errors';
import type { Kernel } from './kernel';
import { netlinkAttributes, netlinkMessages } from './rtnetlink';
import type { Endpoint } from './sockets';

/** One direction of a connection. */
export interface TrackedTuple {
  readonly source: Endpoint;
  readonly destination: Endpoint;
}

export interface TrackedConnection {
  readonly family: Family;
  /** IP protocol number; only those with ports are listed. */
  readonly protocol: number;
  /** TCP's, such as `ESTABLISHED`; empty for others. */
  readonly state: string;
  /** As whoever began it wrote it. */
  readonly original: TrackedTuple;
  /** As answers are written before NAT is undone. */
  readonly reply: TrackedTuple;
}

/**
 * Tracked connections of a namespace; none where the kernel tracks nothing or does not show it. What it tracks is asked
 * by netlink, which kernels have that hide the file of it; the file is read where there is no netlink for it. A machine
 * that tracks nothing is not asked: the question would make the kernel load a module.
 */
export async function listTracked(kernel: Kernel, netns?: string): Promise<TrackedConnection[]> {
  const count = await readIfThere(kernel, '/proc/sys/net/netfilter/nf_conntrack_count', netns);
  if (count === undefined || Number(count) === 0) return [];
  try {
    return decodeTracked(await kernel.conntrackDump(netns));
  } catch (error) {
    if (!(error instanceof UnsupportedError)) throw error;
    return parseTracked((await readIfThere(kernel, '/proc/net/nf_conntrack', netns)) ?? '');
  }
}

/** The text of a file that not every kernel has. */
async function readIfThere(kernel: Kernel, path: string, netns?: string): Promise<string | undefined> {
  try {
    return Buffer.from(await kernel.readFileIn(path, netns)).toString('latin1');
  } catch (error) {
    if (error instanceof KernelError && error.errno === 'ENOENT') return undefined;
    throw error;
  }
}

/** linux/netfilter/nfnetlink_conntrack.h; addresses and ports stand in the wire's order. */
const IPCTNL_MSG_CT_NEW = 0x100;
const NFGENMSG = 4;
const CTA = { original: 1, reply: 2, protoinfo: 4 } as const;
const CTA_TUPLE = { ip: 1, proto: 2 } as const;
const CTA_IP = { 4: { source: 1, destination: 2 }, 6: { source: 3, destination: 4 } } as const;
const CTA_PROTO = { number: 1, sourcePort: 2, destinationPort: 3 } as const;
const CTA_PROTOINFO_TCP = 1;
const CTA_PROTOINFO_TCP_STATE = 1;
const AF_INET = 2;
const AF_INET6 = 10;
/** enum tcp_conntrack; the last is what both ends of a connection have begun at once. */
const TCP_STATES = [
  ...['NONE', 'SYN_SENT', 'SYN_RECV', 'ESTABLISHED', 'FIN_WAIT', 'CLOSE_WAIT', 'LAST_ACK', 'TIME_WAIT', 'CLOSE'],
  'SYN_SENT2',
];
/** Its tuples carry keys in the place of ports. */
const GRE = 47;

/** Reads a dump of ctnetlink; entries without ports, and what is cut short, are left out. */
export function decodeTracked(dump: Uint8Array): TrackedConnection[] {
  const connections: TrackedConnection[] = [];
  for (const { type, body } of netlinkMessages(dump)) {
    if (type !== IPCTNL_MSG_CT_NEW || body.length < NFGENMSG) continue;
    const family: Family | undefined = body[0] === AF_INET ? 4 : body[0] === AF_INET6 ? 6 : undefined;
    if (family === undefined) continue;
    const attributes = netlinkAttributes(body.subarray(NFGENMSG));
    const original = decodeTuple(family, attributes.get(CTA.original));
    const reply = decodeTuple(family, attributes.get(CTA.reply));
    if (original === undefined || reply === undefined) continue;
    const state = inner(inner(attributes.get(CTA.protoinfo)).get(CTA_PROTOINFO_TCP)).get(CTA_PROTOINFO_TCP_STATE)?.[0];
    connections.push({
      ...{ family, protocol: original.protocol, state: TCP_STATES[state ?? -1] ?? '' },
      ...{ original: original.tuple, reply: reply.tuple },
    });
  }
  return connections;
}

/** The attributes within one; none where it is missing. */
function inner(attribute: Buffer | undefined): Map<number, Buffer> {
  return attribute === undefined ? new Map<number, Buffer>() : netlinkAttributes(attribute);
}

function decodeTuple(
  family: Family,
  attribute: Buffer | undefined,
): { protocol: number; tuple: TrackedTuple } | undefined {
  const parts = inner(attribute);
  const ip = inner(parts.get(CTA_TUPLE.ip));
  const proto = inner(parts.get(CTA_TUPLE.proto));
  const protocol = proto.get(CTA_PROTO.number)?.[0];
  const endpoint = (address: Buffer | undefined, port: Buffer | undefined): Endpoint | undefined => {
    if (address?.length !== (family === 4 ? 4 : 16) || port?.length !== 2) return undefined;
    const words = family === 4 ? [0] : [0, 4, 8, 12];
    return { words: words.map((at) => address.readUInt32BE(at)), port: port.readUInt16BE(0) };
  };
  const source = endpoint(ip.get(CTA_IP[family].source), proto.get(CTA_PROTO.sourcePort));
  const destination = endpoint(ip.get(CTA_IP[family].destination), proto.get(CTA_PROTO.destinationPort));
  if (protocol === undefined || protocol === GRE || source === undefined || destination === undefined) return undefined;
  return { protocol, tuple: { source, destination } };
}

/** Reads the text of /proc/net/nf_conntrack; lines of another shape are left out. */
export function parseTracked(text: string): TrackedConnection[] {
  const connections: TrackedConnection[] = [];
  for (const line of text.split('\n')) {
    const head = /^ipv([46])\s+\d+\s+\w+\s+(\d+)\s+\d+\s+([A-Z_]+ )?/.exec(line);
    if (!head) continue;
    const family: Family = head[1] === '4' ? 4 : 6;
    const tuples = [...line.matchAll(/src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)/g)].map(
      ([, source, destination, from, to]): TrackedTuple => ({
        source: { words: addressWords(family, source), port: Number(from) },
        destination: { words: addressWords(family, destination), port: Number(to) },
      }),
    );
    if (tuples.length !== 2) continue;
    const [original, reply] = tuples;
    connections.push({ family, protocol: Number(head[2]), state: (head[3] ?? '').trim(), original, reply });
  }
  return connections;
}

/** The kernel writes dotted quads, and IPv6 in full (eight groups of four digits). */
function addressWords(family: Family, text: string): AddressWords {
  if (family === 4) return [Buffer.from(text.split('.').map(Number)).readUInt32BE(0)];
  const groups = text.split(':').map((group) => parseInt(group, 16));
  return [0, 2, 4, 6].map((at) => ((groups[at] << 16) | groups[at + 1]) >>> 0);
}
