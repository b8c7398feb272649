/**
 * Connections that were alive before anything was filtered: their flows are opened as if their packets had just gone
 * out, so that the first enforcement cuts none. Nobody can tell any more who opened a socket's connection; those that
 * the rules let in anyway need no flow, all others get one.
 */
import { interpret } from '../compile/interpret';
import type { Image } from '../compile/image';
import { SLC_ACTION, SLC_ENTRY, SLC_WORD_ACTION_MASK, SLC_WORD_NONE } from '../abi/layout.gen';
import { listTracked } from '../kernel/conntrack';
import { createGenerationMaps, type Tables } from '../kernel/datapath-maps';
import type { DatapathSwitches } from '../kernel/datapath-switches';
import { loadProgram } from '../kernel/load-program';
import type { Interface } from '../kernel/interfaces';
import type { BpfMap, Kernel } from '../kernel/kernel';
import { type Endpoint, listTcpSockets, listUdpSockets } from '../kernel/sockets';
import { flowOfPacket, TCP_FLAG } from '../model/flow';
import { type FlowKey, mirror } from '../model/packet';
import type { AddressWords, Family } from '../model/prefix';
import { PROTOCOL } from '../model/protocol';

/** How far a connection is, by what our own packets have said. */
type Phase = 'opening' | 'established' | 'closing';

interface LiveConnection {
  /** A packet of it that goes out. */
  readonly packet: FlowKey;
  readonly phase: Phase;
}

const SOCKET_PHASES: Readonly<Record<string, Phase>> = {
  'syn-sent': 'opening',
  established: 'established',
  'close-wait': 'established',
  'fin-wait-1': 'closing',
  'fin-wait-2': 'closing',
  closing: 'closing',
  'last-ack': 'closing',
};
const TRACKED_PHASES: Readonly<Record<string, Phase>> = {
  SYN_SENT: 'opening',
  SYN_RECV: 'opening',
  ESTABLISHED: 'established',
  FIN_WAIT: 'closing',
  CLOSE_WAIT: 'closing',
  LAST_ACK: 'closing',
};

/**
 * Opens the flows of connections through the device that the image would cut; returns how many. The
 * egress program itself opens them, run on frames that are never sent, over counters of its own.
 */
export async function seedFlows(
  kernel: Kernel,
  device: Interface,
  image: Image,
  into: { switches: DatapathSwitches; imageMap: BpfMap; tables: Tables },
  netns?: string,
): Promise<number> {
  const live = await liveConnections(kernel, device, netns);
  const cut = live.filter(({ packet }) => packet.protocol !== PROTOCOL.TCP || !letsIn(image, mirror(packet)));
  if (cut.length === 0) return 0;
  const maps = createGenerationMaps(kernel, into.switches);
  try {
    const used = { ...maps, ...into.tables, image: into.imageMap };
    const { program } = await loadProgram(kernel, 'slc_egress_main', into.switches, used);
    try {
      const frames = cut.flatMap(framesOf);
      const lengths = Uint32Array.from(frames, (frame) => frame.length);
      await program.testRunBatch({ frames: Buffer.concat(frames), lengths });
    } finally {
      program.close();
    }
  } finally {
    maps.image.close();
    maps.counters.close();
  }
  return cut.length;
}

function letsIn(image: Image, answer: FlowKey): boolean {
  const ask = (entry: number): 'lets in' | 'refuses' | 'goes on' => {
    if (entry !== SLC_ENTRY.INBOUND && !image.features.sections[entry]) return 'goes on';
    // Tiers 6 to 9 are those of the server that owns the answer, else inbound's.
    const { word, fault } = interpret(image, answer, entry === SLC_ENTRY.INBOUND ? undefined : entry);
    if (fault !== undefined) return 'refuses';
    if (word === SLC_WORD_NONE) return 'goes on';
    const action = word & SLC_WORD_ACTION_MASK;
    return action === SLC_ACTION.ALLOW || action === SLC_ACTION.LIMIT ? 'lets in' : 'refuses';
  };
  if (ask(SLC_ENTRY.KEEP_REACHABLE) === 'lets in') return true;
  return ask(SLC_ENTRY.GUARD_IN) !== 'refuses' && ask(SLC_ENTRY.INBOUND) === 'lets in';
}

/** What sockets and the kernel's connection tracking know, each connection once. */
async function liveConnections(kernel: Kernel, device: Interface, netns?: string): Promise<LiveConnection[]> {
  const found = new Map<string, LiveConnection>();
  const add = (family: Family, protocol: number, local: Endpoint, remote: Endpoint, phase: Phase | undefined): void => {
    if (!phase || local.port === 0 || remote.port === 0) return;
    const packet: FlowKey = {
      ...{ family, protocol, source: local.words, destination: remote.words },
      ...{ sourcePort: local.port, destinationPort: remote.port },
    };
    found.set(flowOfPacket(packet)!, { packet, phase });
  };
  const isOurs = (family: Family, words: AddressWords): boolean =>
    device.addresses.some((own) => own.family === family && own.words.join() === words.join());
  // What came to this machine, or to a port it publishes, began outside: the rules judge it, or its socket is below.
  for (const { family, protocol, state, original, reply } of await listTracked(kernel, netns)) {
    if (isOurs(family, original.destination.words)) continue;
    const phase = protocol === PROTOCOL.TCP ? TRACKED_PHASES[state] : 'established';
    add(family, protocol, reply.destination, reply.source, phase);
  }
  const sockets = [
    ...(await listTcpSockets(kernel, netns)).map((socket) => ({ ...socket, protocol: PROTOCOL.TCP })),
    // Of UDP only connected sockets name their peer.
    ...(await listUdpSockets(kernel, netns)).map((socket) => ({ ...socket, protocol: PROTOCOL.UDP })),
  ];
  for (const { family, protocol, local, remote, state } of sockets)
    if (isOurs(family, local.words)) add(family, protocol, local, remote, SOCKET_PHASES[state]);
  return [...found.values()];
}

const { SYN, ACK, FIN } = TCP_FLAG;
const TCP_PACKETS: Readonly<Record<Phase, readonly number[]>> = {
  opening: [SYN],
  established: [SYN, ACK],
  closing: [SYN, ACK, FIN | ACK],
};

/** The packets that bring a flow there, as frames without payload and checksums. */
function framesOf({ packet, phase }: LiveConnection): Buffer[] {
  if (packet.protocol === PROTOCOL.TCP) {
    return TCP_PACKETS[phase].map((flags) => {
      const header = Buffer.alloc(20);
      header[12] = 5 << 4;
      header[13] = flags;
      return frameOf(packet, header);
    });
  }
  const header = Buffer.alloc(packet.protocol === PROTOCOL.UDP ? 8 : 12);
  header.writeUInt16BE(header.length, 4);
  return [frameOf(packet, header)];
}

function frameOf({ family, protocol, source, destination, ...ports }: FlowKey, transport: Buffer): Buffer {
  transport.writeUInt16BE(ports.sourcePort, 0);
  transport.writeUInt16BE(ports.destinationPort, 2);
  const ip = Buffer.alloc(family === 4 ? 20 : 40);
  if (family === 4) {
    ip[0] = 0x45;
    ip.writeUInt16BE(ip.length + transport.length, 2);
    ip[8] = 64;
    ip[9] = protocol;
  } else {
    ip[0] = 0x60;
    ip.writeUInt16BE(transport.length, 4);
    ip[6] = protocol;
    ip[7] = 64;
  }
  const at = family === 4 ? 12 : 8;
  [...source, ...destination].forEach((word, i) => ip.writeUInt32BE(word, at + 4 * i));
  const ethernet = Buffer.alloc(14);
  ethernet.writeUInt16BE(family === 4 ? 0x0800 : 0x86dd, 12);
  return Buffer.concat([ethernet, ip, transport]);
}
