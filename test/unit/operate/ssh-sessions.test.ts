import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { parseSocketTable, type SocketOwner } from '../../../src/kernel/sockets';
import { formatAddress } from '../../../src/model/prefix';
import { parseSshConnection } from '../../../src/operate/ssh-connection';
import { configuredSshPorts, isSshServer, sshServerPortsOf } from '../../../src/operate/ssh-server';
import { callerConnection, openSessions } from '../../../src/operate/ssh-sessions';

let folder: string;
beforeEach(() => (folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-ssh-'))));
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

/** A socket as /proc/net/tcp prints it: addresses as four hexadecimal bytes in reverse. */
const line = (local: string, remote: string, state: string, inode: number): string => {
  const endpoint = (text: string): string => {
    const [address, port] = text.split(':');
    const bytes = address.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0'));
    return `${bytes.reverse().join('')}:${Number(port).toString(16).padStart(4, '0')}`.toUpperCase();
  };
  return `   0: ${endpoint(local)} ${endpoint(remote)} ${state} 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1 0`;
};
const ESTABLISHED = '01';
const LISTEN = '0A';

const sockets = parseSocketTable(
  [
    line('0.0.0.0:2222', '0.0.0.0:0', LISTEN, 1),
    line('0.0.0.0:80', '0.0.0.0:0', LISTEN, 2),
    line('198.51.100.4:2222', '203.0.113.9:51514', ESTABLISHED, 3),
    line('198.51.100.4:80', '203.0.113.9:51515', ESTABLISHED, 4),
    line('198.51.100.4:40000', '192.0.2.1:5432', ESTABLISHED, 5),
  ].join('\n'),
);
const owners = new Map<number, SocketOwner>([
  [1, { pid: 10, command: 'sshd' }],
  [2, { pid: 11, command: 'nginx' }],
  [3, { pid: 12, command: 'sshd-session' }],
  [4, { pid: 11, command: 'nginx' }],
  [5, { pid: 12, command: 'sshd-session' }],
]);

test('SSH_CONNECTION is the packet that the client sends', () => {
  expect(parseSshConnection('203.0.113.9 51514 198.51.100.4 2222')).toEqual({
    family: 4,
    source: [0xcb007109],
    destination: [0xc6336404],
    protocol: 6,
    sourcePort: 51514,
    destinationPort: 2222,
  });
  const linkLocal = parseSshConnection('fe80::1%eth0 50000 fe80::2%eth0 22')!;
  expect(formatAddress(6, linkLocal.source)).toBe('fe80::1');
  expect(parseSshConnection('::ffff:192.0.2.1 50000 ::ffff:192.0.2.2 22')).toMatchObject({
    family: 4,
    source: [0xc0000201],
  });
});

test.each([
  '',
  'UNKNOWN 65535 UNKNOWN 65535',
  '192.0.2.1 1 192.0.2.2',
  '192.0.2.1 0 192.0.2.2 22',
  '192.0.2.1 1 ::1 22',
  '192.0.2.0/24 1 192.0.2.2 22',
  '192.0.2.1 1 192.0.2.2 22 x',
  '192.0.2.1 1 192.0.2.2 99999',
])('no connection: %j', (text) => {
  expect(parseSshConnection(text)).toBeNull();
});

test('open sessions are those at the port the server really listens on', () => {
  expect(sshServerPortsOf(sockets, owners)).toEqual([2222]);
  expect(openSessions(sockets, owners)).toEqual([
    { description: 'sshd-session[12]', key: parseSshConnection('203.0.113.9 51514 198.51.100.4 2222') },
  ]);
});

test('where another program listens for the server, the holder of the connection counts', () => {
  const activated = new Map(owners).set(1, { pid: 1, command: 'systemd' });
  const only = sockets.filter(({ inode }) => inode !== 5);
  expect(sshServerPortsOf(only, activated)).toEqual([]);
  expect(openSessions(only, activated).map(({ description }) => description)).toEqual(['sshd-session[12]']);
});

test('a session whose holder may not be seen is known by its port', () => {
  const hidden = new Map([...owners].filter(([inode]) => inode === 1));
  expect(openSessions(sockets, hidden).map(({ description }) => description)).toEqual(['an SSH session']);
});

describe('the caller', () => {
  /** Beyond what a kernel gives (2^22 at most): no parent of this test has it. */
  const FAR = 5_000_000;
  const connection = '203.0.113.9 51514 198.51.100.4 2222';
  const process_ = (pid: number, parent: number, environment: string): void => {
    fs.mkdirSync(path.join(folder, String(pid)));
    fs.writeFileSync(path.join(folder, String(pid), 'environ'), environment);
    fs.writeFileSync(path.join(folder, String(pid), 'stat'), `${pid} (a) b (c) S ${parent} 1 1`);
  };

  test('is in the environment', () => {
    expect(callerConnection({ SSH_CONNECTION: connection }, [])).toEqual(parseSshConnection(connection));
  });

  test('is found with an ancestor where sudo dropped it, while it is open', () => {
    process_(process.ppid, FAR, 'HOME=/root\0A=B=C\0');
    process_(FAR, FAR + 1, '');
    process_(FAR + 1, 1, `USER=me\0SSH_CONNECTION=${connection}\0`);
    expect(callerConnection({}, openSessions(sockets, owners), folder)).toEqual(parseSshConnection(connection));
    expect(callerConnection({}, [], folder)).toBeNull();
  });

  test('is nobody where the chain ends', () => {
    process_(process.ppid, 1, '');
    expect(callerConnection({}, openSessions(sockets, owners), folder)).toBeNull();
    expect(callerConnection({}, openSessions(sockets, owners), '/nonexistent')).toBeNull();
  });
});

describe('configured ports', () => {
  test('are what the server says itself', () => {
    const program = path.join(folder, 'sshd');
    fs.writeFileSync(program, '#!/bin/sh\necho port 2200\necho port 22\necho permitrootlogin no\n', { mode: 0o755 });
    expect(configuredSshPorts(folder, program)).toEqual([22, 2200]);
  });

  test('else those of its files, comments aside', () => {
    fs.writeFileSync(
      path.join(folder, 'sshd_config'),
      '#Port 22\nPort 2022 # mine\n  port=2023\nGatewayPorts no\nPort 99999\n',
    );
    fs.mkdirSync(path.join(folder, 'sshd_config.d'));
    fs.writeFileSync(path.join(folder, 'sshd_config.d', 'a.conf'), 'Port 2024\n');
    fs.writeFileSync(path.join(folder, 'sshd_config.d', 'b.off'), 'Port 2025\n');
    expect(configuredSshPorts(folder, '/nonexistent/sshd')).toEqual([2022, 2023, 2024]);
    expect(configuredSshPorts('/nonexistent', '/nonexistent/sshd')).toEqual([]);
  });
});

test.each([
  ['sshd', true],
  ['sshd-session', true],
  ['dropbear', true],
  ['ssh', false],
  ['sshd-fake', false],
])('%s serves SSH: %s', (name, serves) => {
  expect(isSshServer(name)).toBe(serves);
});
