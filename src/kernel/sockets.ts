/** TCP and UDP sockets of a network namespace, from /proc/net (proc_net_tcp.txt of the kernel's documentation). */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { AddressWords, Family } from '../model/prefix';
import type { Kernel } from './kernel';

export interface Endpoint {
  readonly words: AddressWords;
  readonly port: number;
}

const STATES = [
  'established',
  'syn-sent',
  'syn-received',
  'fin-wait-1',
  'fin-wait-2',
  'time-wait',
  'close',
  'close-wait',
  'last-ack',
  'listen',
  'closing',
  'new-syn-received',
] as const;
export type SocketState = (typeof STATES)[number];

export interface Socket {
  /** 4 also for IPv4 connections of IPv6 sockets; a listener on `::` says 6 and usually takes both. */
  readonly family: Family;
  /** For UDP `established` means connected, `close` bound only. */
  readonly state: SocketState;
  readonly local: Endpoint;
  /** All zero where there is no peer. */
  readonly remote: Endpoint;
  /** 0 where no process holds it any more. */
  readonly inode: number;
}

/** TCP sockets of both families. */
export function listTcpSockets(kernel: Kernel, netns?: string): Promise<Socket[]> {
  return listSockets(kernel, ['tcp', 'tcp6'], netns);
}

/** UDP sockets of both families. */
export function listUdpSockets(kernel: Kernel, netns?: string): Promise<Socket[]> {
  return listSockets(kernel, ['udp', 'udp6'], netns);
}

async function listSockets(kernel: Kernel, tables: readonly string[], netns?: string): Promise<Socket[]> {
  const read = async (table: string): Promise<Socket[]> => {
    try {
      const bytes = await kernel.readFileIn(`/proc/net/${table}`, netns);
      return parseSocketTable(Buffer.from(bytes).toString('latin1'));
    } catch (error) {
      // A machine without IPv6 has no table for it.
      if (table.endsWith('6') && error instanceof Error && 'errno' in error && error.errno === 'ENOENT') return [];
      throw error;
    }
  };
  // Each takes milliseconds of the kernel, however few sockets there are.
  return (await Promise.all(tables.map(read))).flat();
}

/** Reads the text of /proc/net/{tcp,tcp6,udp,udp6}; lines of another shape are left out. */
export function parseSocketTable(text: string): Socket[] {
  const sockets: Socket[] = [];
  for (const line of text.split('\n')) {
    const fields = line.trim().split(/\s+/);
    if (fields.length < 10 || !/^\d+:$/.test(fields[0])) continue;
    const local = parseEndpoint(fields[1]);
    const remote = parseEndpoint(fields[2]);
    const state = STATES[parseInt(fields[3], 16) - 1];
    const inode = Number(fields[9]);
    if (local === null || remote === null || state === undefined || !Number.isSafeInteger(inode)) continue;
    sockets.push({ ...sameFamily(local, remote), state, inode });
  }
  return sockets;
}

/** `0100007F:1F90`: each 32-bit word as the host reads the wire's bytes, here little-endian. */
function parseEndpoint(text: string): Endpoint | null {
  const found = /^([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})$/.exec(text);
  if (found === null) return null;
  const words = found[1].match(/.{8}/g)!.map((hex) => Buffer.from(hex, 'hex').readUInt32LE(0));
  return { words, port: parseInt(found[2], 16) };
}

/** ::ffff:a.b.c.d */
function isMapped({ words }: Endpoint): boolean {
  return words.length === 4 && words[0] === 0 && words[1] === 0 && words[2] === 0xffff;
}

/** IPv4 in an IPv6 socket becomes plain IPv4. An unconnected peer is `::` there, whatever the local address is. */
function sameFamily(local: Endpoint, remote: Endpoint): { family: Family; local: Endpoint; remote: Endpoint } {
  if (local.words.length === 1) return { family: 4, local, remote };
  if (!isMapped(local)) return { family: 6, local, remote };
  const plain = ({ words, port }: Endpoint): Endpoint => ({ words: [words[3]], port });
  return { family: 4, local: plain(local), remote: plain(remote) };
}

export interface SocketOwner {
  readonly pid: number;
  /** Name of the program, at most 15 characters. */
  readonly command: string;
}

/**
 * Which process holds each socket, by inode; of several the one with the lowest pid. Processes that end meanwhile or
 * may not be looked at are left out. `isAsked`: of programs of these names alone, which spares the descriptors of all others.
 */
export function socketOwners(
  inodes: Iterable<number>,
  isAsked?: (command: string) => boolean,
): Map<number, SocketOwner> {
  const wanted = new Set(inodes);
  const owners = new Map<number, SocketOwner>();
  const pids = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
  const commandOf = (pid: number): string | undefined =>
    quietly(() => readFileSync(`/proc/${pid}/comm`, 'utf8').trim());
  for (const pid of wanted.size === 0 ? [] : pids) {
    if (isAsked && !isAsked(commandOf(pid) ?? '')) continue;
    for (const inode of socketsOf(pid)) {
      if (!wanted.has(inode) || owners.has(inode)) continue;
      const command = commandOf(pid);
      if (command !== undefined) owners.set(inode, { pid, command });
    }
    if (owners.size === wanted.size) break;
  }
  return owners;
}

function socketsOf(pid: number): number[] {
  const names = quietly(() => readdirSync(`/proc/${pid}/fd`)) ?? [];
  return names.flatMap((name) => {
    const target = quietly(() => readlinkSync(`/proc/${pid}/fd/${name}`)) ?? '';
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
    return inode === undefined ? [] : [Number(inode)];
  });
}

function quietly<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
