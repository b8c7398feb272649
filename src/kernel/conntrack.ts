/** Connections that the kernel's own tracking knows, from /proc/net/nf_conntrack: what a router forwards, with NAT. */
import type { AddressWords, Family } from '../model/prefix';
import type { Kernel } from './kernel';
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

/** Tracked connections of a namespace; none where the kernel tracks nothing or does not show it. */
export async function listTracked(kernel: Kernel, netns?: string): Promise<TrackedConnection[]> {
  try {
    const bytes = await kernel.readFileIn('/proc/net/nf_conntrack', netns);
    return parseTracked(Buffer.from(bytes).toString('latin1'));
  } catch (error) {
    if (error instanceof Error && 'errno' in error && error.errno === 'ENOENT') return [];
    throw error;
  }
}

/** Reads the text of the table; lines of another shape are left out. */
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
