/** SSH connections that a change must not cut: the caller's own, and those that are open on the machine. */
import * as fs from 'node:fs';
import type { LiveConnection } from '../analyse/lockout';
import { type Interface, listInterfaces } from '../kernel/interfaces';
import type { Kernel } from '../kernel/kernel';
import { listTcpSockets, type Socket, type SocketOwner, socketOwners } from '../kernel/sockets';
import type { FlowKey } from '../model/packet';
import { PROTOCOL } from '../model/protocol';
import { mayPass } from './session-path';
import { parseSshConnection } from './ssh-connection';
import { isSshServer, sshServerPortsOf } from './ssh-server';

/** Interfaces of a namespace, or what will tell of them. */
export interface Passed {
  /** Those that are filtered. */
  readonly filtered: readonly Interface[] | Promise<readonly Interface[]>;
  /** All there are; left out: they are looked for. */
  readonly all?: Promise<readonly Interface[]>;
}

/**
 * The caller's SSH connection and all open ones of the namespace that may pass one of the `filtered` interfaces, in the
 * inbound direction, each once. The caller's counts where its server address belongs to the namespace (`netns` left
 * out: always). Connections over loopback are left out, since loopback is never filtered.
 */
export async function sshConnections(
  kernel: Kernel,
  passed: Passed,
  netns?: string,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<LiveConnection[]> {
  const [{ caller, live }, filtered, interfaces] = await Promise.all([
    readSessions(kernel, netns, environment),
    passed.filtered,
    passed.all ?? listInterfaces(kernel, netns),
  ]);
  const all = caller ? [{ description: 'your session', key: caller }, ...live] : live;
  const indexes = new Set(filtered.map(({ index }) => index));
  const seen = new Set<string>();
  return all.filter(({ key }) => {
    const text = JSON.stringify(key);
    const fresh = !isLoopback(key) && !seen.has(text);
    seen.add(text);
    return fresh && mayPass(key, interfaces, indexes);
  });
}

/** The SSH connection the command came through, in the inbound direction; null where there is none, or over loopback. */
export async function callerConnectionOf(
  kernel: Kernel,
  netns?: string,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<FlowKey | null> {
  const { caller } = await readSessions(kernel, netns, environment);
  return caller && !isLoopback(caller) ? caller : null;
}

async function readSessions(
  kernel: Kernel,
  netns: string | undefined,
  environment: NodeJS.ProcessEnv,
): Promise<{ caller: FlowKey | null; live: readonly LiveConnection[] }> {
  const sockets = await listTcpSockets(kernel, netns);
  const inodes = sockets.map(({ inode }) => inode).filter((inode) => inode !== 0);
  const owners = socketOwners(inodes, isSshServer);
  const live = openSessions(sockets, owners);
  const caller = callerConnection(environment, live);
  const here = caller !== null && (netns === undefined || (await ownsAddress(kernel, netns, caller)));
  return { caller: here ? caller : null, live };
}

/** Open connections that an SSH server holds, or that end at one of its ports. */
export function openSessions(sockets: readonly Socket[], owners: ReadonlyMap<number, SocketOwner>): LiveConnection[] {
  const ports = new Set(sshServerPortsOf(sockets, owners));
  return sockets.flatMap((socket) => {
    if (socket.state !== 'established') return [];
    const owner = owners.get(socket.inode);
    const isServer = owner !== undefined && isSshServer(owner.command);
    // A server that connects out (forwarding) holds sockets to other machines; those start from high ports.
    const forwarding = ports.size > 0 && !ports.has(socket.local.port);
    if (forwarding || (!isServer && !ports.has(socket.local.port))) return [];
    return [{ description: owner ? `${owner.command}[${owner.pid}]` : 'an SSH session', key: inboundKey(socket) }];
  });
}

/**
 * The connection the command came through: `SSH_CONNECTION` of this process, else (sudo and the like drop it) of the
 * nearest ancestor that has it; an ancestor's counts only while it is open, since multiplexers keep old ones.
 */
export function callerConnection(
  environment: NodeJS.ProcessEnv,
  live: readonly LiveConnection[],
  proc = '/proc',
): FlowKey | null {
  const own = parseSshConnection(environment.SSH_CONNECTION ?? '');
  if (own) return own;
  for (const variables of ancestorEnvironments(proc)) {
    const key = parseSshConnection(variables.get('SSH_CONNECTION') ?? '');
    if (key && live.some((session) => JSON.stringify(session.key) === JSON.stringify(key))) return key;
  }
  return null;
}

function* ancestorEnvironments(proc: string): Generator<Map<string, string>> {
  let pid = process.ppid;
  // Chains are short; the bound is for a /proc that lies.
  for (let depth = 0; pid > 1 && depth < 64; depth++) {
    const variables = readOptional(`${proc}/${pid}/environ`)
      .split('\0')
      .map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)] as const);
    yield new Map(variables);
    // `pid (command) state ppid …`: the command may hold anything, so count from its last parenthesis.
    const stat = readOptional(`${proc}/${pid}/stat`);
    pid = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] ?? 0);
  }
}

function inboundKey({ family, local, remote }: Socket): FlowKey {
  return {
    family,
    source: remote.words,
    destination: local.words,
    protocol: PROTOCOL.TCP,
    sourcePort: remote.port,
    destinationPort: local.port,
  };
}

async function ownsAddress(kernel: Kernel, netns: string, key: FlowKey): Promise<boolean> {
  const interfaces = await listInterfaces(kernel, netns);
  return interfaces.some(({ addresses }) =>
    addresses.some(({ family, words }) => family === key.family && words.join() === key.destination.join()),
  );
}

function isLoopback({ family, source }: FlowKey): boolean {
  return family === 4 ? source[0] >>> 24 === 127 : source.join() === '0,0,0,1';
}

function readOptional(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
