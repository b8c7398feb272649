/** The facts of a machine that `init` writes a ruleset from. */
import { listInterfaces } from '../kernel/interfaces';
import type { Kernel } from '../kernel/kernel';
import { listTcpSockets, listUdpSockets, type Socket, type SocketOwner, socketOwners } from '../kernel/sockets';
import { type Family, formatAddress } from '../model/prefix';
import type { InitFacts, Listener } from './init';
import { callerConnection, openSessions } from './ssh-sessions';
import { configuredSshPorts, isSshServer, sshServerPortsOf } from './ssh-server';
import { readUfwRules } from './ufw-rules';

const DEFAULT_SSH_PORT = 22;

/** Looks at a namespace; files of the host (`sshd_config`, ufw) count for the process's own namespace only. */
export async function gatherFacts(
  kernel: Kernel,
  netns?: string,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<InitFacts> {
  const interfaces = (await listInterfaces(kernel, netns)).filter(({ ethernet, loopback }) => ethernet && !loopback);
  const tcp = await listTcpSockets(kernel, netns);
  const udp = await listUdpSockets(kernel, netns);
  const owners = socketOwners([...tcp, ...udp].map(({ inode }) => inode).filter((inode) => inode !== 0));
  const own = netns === undefined;
  const caller = own ? callerConnection(environment, openSessions(tcp, owners)) : null;
  const known = sshServerPortsOf(tcp, owners);
  const configured = known.length === 0 && own ? configuredSshPorts() : [];
  const sshPorts = new Set([...known, ...configured, ...(caller ? [caller.destinationPort] : [])]);
  if (sshPorts.size === 0) sshPorts.add(DEFAULT_SSH_PORT);
  return {
    defaultRoute: interfaces.filter(({ defaultRoute }) => defaultRoute).map(({ name }) => name),
    otherInterfaces: interfaces.filter(({ defaultRoute }) => !defaultRoute).map(({ name }) => name),
    sshPorts: [...sshPorts].sort((a, b) => a - b),
    caller: caller && formatAddress(caller.family, caller.source),
    listeners: reachableListeners(tcp, udp, owners, sshPorts),
    ufwRules: own ? readUfwRules() : null,
  };
}

/** Listeners bound to more than loopback, one for each protocol, port and program. */
export function reachableListeners(
  tcp: readonly Socket[],
  udp: readonly Socket[],
  owners: ReadonlyMap<number, SocketOwner>,
  sshPorts: ReadonlySet<number>,
): Listener[] {
  const listening = tcp.filter(({ state, local }) => state === 'listen' && !sshPorts.has(local.port));
  // A connected UDP socket hears only its peer: it serves nobody.
  const bound = udp.filter(({ state, local }) => state === 'close' && local.port !== 0);
  const found = new Map<string, Listener & { addresses: string[] }>();
  const add = (protocol: 'tcp' | 'udp', socket: Socket): void => {
    const program = owners.get(socket.inode)?.command ?? null;
    if (isLoopback(socket) || (program !== null && isSshServer(program))) return;
    const { port } = socket.local;
    const key = `${protocol} ${port} ${program ?? ''}`;
    const listener = found.get(key) ?? { protocol, port, program, addresses: [] };
    const address = boundTo(socket);
    if (!listener.addresses.includes(address)) listener.addresses.push(address);
    found.set(key, listener);
  };
  for (const socket of listening) add('tcp', socket);
  for (const socket of bound) add('udp', socket);
  return [...found.values()].sort((a, b) => a.protocol.localeCompare(b.protocol) || a.port - b.port);
}

function boundTo({ family, local }: Socket): string {
  return local.words.every((word) => word === 0) ? 'any' : formatAddress(family, local.words);
}

function isLoopback({ family, local }: { family: Family; local: Socket['local'] }): boolean {
  return family === 4 ? local.words[0] >>> 24 === 127 : local.words.join() === '0,0,0,1';
}
