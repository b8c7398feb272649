/** Servers and clients made of ordinary tools: what an operator would use to see who gets through. */
import { writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { writePcap } from '../../src/observe/pcap';
import type { Namespace } from './netns';
import type { Background } from './process';
import { run } from './process';

/** What the edge of the walk-throughs serves. */
export const EDGE_SERVICES = ['hold:22', 'tcp:14141', 'http:8000', 'http:14511', 'udp:9000'] as const;

const LISTEN = join(__dirname, 'listen.js');
/** Writes the frames of a pcap file to a link, as they stand, with pauses that keep them in order. */
export const SEND_FRAMES = join(__dirname, 'send-frames.py');

/** Starts servers (`tcp:PORT`, `hold:PORT`, `echo:PORT`, `http:PORT`, `udp:PORT`) on both families; resolves once all listen. */
export async function serve(namespace: Namespace, services: readonly string[] = EDGE_SERVICES): Promise<Background> {
  const server = namespace.start([process.execPath, LISTEN, ...services]);
  await server.waitFor(/^ready$/m, 60_000); // an emulated processor takes its time
  return server;
}

/** How a connection attempt ended. */
export type Attempt = 'connected' | 'refused' | 'timeout';

/** How much longer than its own time a client may take before the machine is said to have held it up. */
const HELD_MS = 1000;
const ATTEMPTS = 4;

/**
 * One TCP connection with nc; `timeout` in seconds. That nobody answered is said of an attempt that took no longer than it
 * should: where the machine held it up, the answer may have been held up too, and it is tried again.
 */
export async function tcpConnect(namespace: Namespace, host: string, port: number, timeout = 1): Promise<Attempt> {
  for (let attempt = 1; ; attempt++) {
    const begun = performance.now();
    const { status, stderr } = await namespace.run(['nc', '-z', '-v', '-w', String(timeout), host, String(port)]);
    if (status === 0) return 'connected';
    if (stderr.includes('refused')) return 'refused';
    if (!/timed out|in progress/.test(stderr)) throw new Error(`nc: ${stderr}`);
    if (performance.now() - begun < timeout * 1000 + HELD_MS || attempt === ATTEMPTS) return 'timeout';
  }
}

/** One HTTP request with curl: the body, or null where nobody answered within `timeout` seconds. */
export async function httpGet(namespace: Namespace, url: string, timeout = 20): Promise<string | null> {
  const { status, stdout, stderr } = await namespace.run(['curl', '-sS', '-g', '-m', String(timeout), url]);
  if (status === 0) return stdout;
  if (status === 7 || status === 28) return null;
  throw new Error(`curl ended with ${status}: ${stderr}`);
}

/** Downloads of an `http:` server take no more time: it sends at once what is left of them. */
export function hurry(server: Background): void {
  process.kill(server.pid, 'SIGUSR2');
}

/**
 * Begins a download that takes `seconds`, or until `hurry`, and returns once it is connected; `end()` of the result is
 * curl's status, 0 when it was whole. It is given up a minute late, or where nothing comes for `stall` seconds.
 */
export async function slowDownload(
  namespace: Namespace,
  host: string,
  port: number,
  seconds: number,
  stall = seconds + 60,
): Promise<Background> {
  const connections = ['ss', '-Htn', 'state', 'established', `dport = :${port}`];
  const count = async (): Promise<number> => (await namespace.run(connections)).stdout.split('\n').length;
  const before = await count();
  const download = namespace.start([
    'curl',
    '-sS',
    '-g',
    '-o',
    '/dev/null',
    '--write-out',
    '%{size_download}',
    '-m',
    String(seconds + 60),
    '--speed-time',
    String(stall),
    `http://${host.includes(':') ? `[${host}]` : host}:${port}/slow?seconds=${seconds}`,
  ]);
  for (const deadline = Date.now() + 60_000; download.running && (await count()) === before;)
    if (Date.now() > deadline) throw new Error(`no connection to ${host}:${port}: ${download.output}`);
  return download;
}

/** Sends `count` echo-requests of `size` bytes, 10 ms apart, and returns how many answers came. */
export async function ping(namespace: Namespace, host: string, count = 1, size = 56): Promise<number> {
  const words = ['ping', '-n', '-q', '-c', String(count), '-s', String(size), '-i', '0.01', '-W', '1', host];
  const { stdout } = await namespace.run(words);
  const received = /(\d+) received/.exec(stdout);
  if (!received) throw new Error(`ping: ${stdout}`);
  return Number(received[1]);
}

/** How long `udpEcho` waits where no answer is expected. */
export const SILENT_SECONDS = 2;

/** Sends one datagram to a `udp:` server; whether it came back within `timeout` seconds, or was refused. */
export async function udpEcho(namespace: Namespace, host: string, port: number, timeout = 20): Promise<boolean> {
  const client = namespace.start(['nc', '-u', '-w', String(timeout), host, String(port)]);
  client.write('echo\n');
  while (client.running && client.output !== 'echo\n') await sleep(10);
  await client.stop('SIGKILL');
  return client.output === 'echo\n';
}

const TALK = `
import socket, sys
host, port, length, count = sys.argv[1], *map(int, sys.argv[2:])
s = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(20)
s.connect((host, port))
for i in range(count):
    data = bytes([i & 255]) * length
    s.send(data)
    if s.recv(65535) != data: sys.exit(f'datagram {i} came back changed')
print(count)
`;

/** Sends datagrams of `bytes` to a `udp:` server, each when the one before it came back; how many did. */
export async function udpTalk(
  namespace: Namespace,
  host: string,
  port: number,
  { bytes, count }: { bytes: number; count: number },
): Promise<number> {
  const words = [host, port, bytes, count].map(String);
  const { stdout, stderr } = await namespace.run(['python3', '-c', TALK, ...words]);
  if (stderr !== '') throw new Error(`datagrams to ${host}:${port}: ${stderr}`);
  return Number(stdout);
}

/** Puts frames on a link exactly as they stand (AF_PACKET). Returns how many were sent. */
export async function sendFrames(namespace: Namespace, link: string, frames: readonly Uint8Array[]): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'slc-frames-'));
  try {
    const file = join(directory, 'frames.pcap');
    writeFileSync(file, writePcap(frames.map((bytes) => ({ bytes }))));
    const { status, stderr } = await run(namespace.argv(['python3', SEND_FRAMES, link, file]));
    if (status !== 0) throw new Error(`send-frames: ${stderr}`);
    return frames.length;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A connected UDP socket: what the system says about the first datagram. */
const UDP_FATE = `
import socket, sys
s = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(int(sys.argv[3]))
s.connect((sys.argv[1], int(sys.argv[2])))
s.send(b'x')
try:
    s.recv(100)
    print('answer')
except ConnectionRefusedError:
    print('refused')
except socket.timeout:
    print('timeout')
`;

/** What the system tells a program, within `timeout` seconds, about the datagram that it sent by a connected socket. */
export async function udpFate(
  namespace: Namespace,
  address: string,
  port: number,
  timeout = 20,
): Promise<'answer' | 'refused' | 'timeout'> {
  const { stdout } = await namespace.run(['python3', '-c', UDP_FATE, address, String(port), String(timeout)]);
  return stdout.trim() as 'answer' | 'refused' | 'timeout';
}
