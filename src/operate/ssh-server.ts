/** Which ports the machine's SSH server really listens on: never assumed to be 22 where it can be known. */
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import type { Socket, SocketOwner } from '../kernel/sockets';

/** Whether a program of this name serves SSH (`sshd-session` since OpenSSH 9.8). */
export function isSshServer(command: string): boolean {
  return /^(sshd(-session|-auth)?|dropbear)$/.test(command);
}

/** Ports of the listening sockets that an SSH server holds, ascending. */
export function sshServerPortsOf(sockets: readonly Socket[], owners: ReadonlyMap<number, SocketOwner>): number[] {
  const listening = sockets.filter(
    ({ state, inode }) => state === 'listen' && isSshServer(owners.get(inode)?.command ?? ''),
  );
  return ascending(listening.map(({ local }) => local.port));
}

/** Ports that the server is configured for: what `sshd -T` says, else `Port` lines; empty where neither tells. */
export function configuredSshPorts(directory = '/etc/ssh', command = 'sshd'): number[] {
  const effective = portLines(runQuietly(command, ['-T', '-f', path.join(directory, 'sshd_config')]));
  if (effective.length > 0) return effective;
  const files = [path.join(directory, 'sshd_config'), ...fragments(path.join(directory, 'sshd_config.d'))];
  return portLines(files.map(readOptional).join('\n'));
}

function portLines(text: string): number[] {
  const ports = [...text.matchAll(/^\s*port[\s=]+(\d{1,5})\s*(?:#.*)?$/gim)].map((match) => Number(match[1]));
  return ascending(ports.filter((port) => port >= 1 && port <= 65535));
}

function ascending(ports: readonly number[]): number[] {
  return [...new Set(ports)].sort((a, b) => a - b);
}

function fragments(directory: string): string[] {
  try {
    const names = fs.readdirSync(directory).filter((name) => name.endsWith('.conf'));
    return names.sort().map((name) => path.join(directory, name));
  } catch {
    return [];
  }
}

function runQuietly(command: string, args: readonly string[]): string {
  try {
    return execFileSync(command, args, { encoding: 'utf8', timeout: 5000, stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    return '';
  }
}

function readOptional(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
