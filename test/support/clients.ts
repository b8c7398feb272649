/** Servers and clients made of ordinary tools: what an operator would use to see who gets through. */
import { writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writePcap } from '../../src/observe/pcap';
import type { Namespace } from './netns';
import type { Background } from './process';
import { run } from './process';

/** What the edge of the walk-throughs serves. */
export const EDGE_SERVICES = ['hold:22', 'tcp:14141', 'http:8000', 'http:14511', 'udp:9000'] as const;

const LISTEN = join(__dirname, 'listen.js');
/** Writes the frames of a pcap file to a link, as they stand, with pauses that keep them in order. */
export const SEND_FRAMES = join(__dirname, 'send-frames.py');

/** Starts servers (`tcp:PORT`, `hold:PORT`, `http:PORT`, `udp:PORT`) on both families; resolves once all listen. */
export async function serve(namespace: Namespace, services: readonly string[] = EDGE_SERVICES): Promise<Background> {
  const server = namespace.start([process.execPath, LISTEN, ...services]);
  await server.waitFor(/^ready$/m, 60_000); // an emulated processor takes its time
  return server;
}

/** How a connection attempt ended. */
export type Attempt = 'connected' | 'refused' | 'timeout';

/** One TCP connection with nc; `timeout` in seconds. */
export async function tcpConnect(namespace: Namespace, host: string, port: number, timeout = 1): Promise<Attempt> {
  const { status, stderr } = await namespace.run(['nc', '-z', '-v', '-w', String(timeout), host, String(port)]);
  if (status === 0) return 'connected';
  if (stderr.includes('refused')) return 'refused';
  if (/timed out|in progress/.test(stderr)) return 'timeout';
  throw new Error(`nc: ${stderr}`);
}

/** One HTTP request with curl: the body, or null where nobody answered within `timeout` seconds. */
export async function httpGet(namespace: Namespace, url: string, timeout = 2): Promise<string | null> {
  const { status, stdout, stderr } = await namespace.run(['curl', '-sS', '-g', '-m', String(timeout), url]);
  if (status === 0) return stdout;
  if (status === 7 || status === 28) return null;
  throw new Error(`curl ended with ${status}: ${stderr}`);
}

/** A download in the background that takes `seconds`; `end()` of the result is curl's status, 0 when it was whole. */
export function slowDownload(namespace: Namespace, host: string, port: number, seconds: number): Background {
  return namespace.start([
    'curl',
    '-sS',
    '-g',
    '-o',
    '/dev/null',
    '--write-out',
    '%{size_download}',
    '-m',
    String(seconds + 5),
    `http://${host.includes(':') ? `[${host}]` : host}:${port}/slow?seconds=${seconds}`,
  ]);
}

/** Sends `count` echo-requests of `size` bytes, 10 ms apart, and returns how many answers came. */
export async function ping(namespace: Namespace, host: string, count = 1, size = 56): Promise<number> {
  const words = ['ping', '-n', '-q', '-c', String(count), '-s', String(size), '-i', '0.01', '-W', '1', host];
  const { stdout } = await namespace.run(words);
  const received = /(\d+) received/.exec(stdout);
  if (!received) throw new Error(`ping: ${stdout}`);
  return Number(received[1]);
}

/** Sends one datagram to a `udp:` server; whether it came back within `timeout` seconds. */
export async function udpEcho(namespace: Namespace, host: string, port: number, timeout = 1): Promise<boolean> {
  const { stdout } = await namespace.run(['nc', '-u', '-w', String(timeout), host, String(port)], { input: 'echo\n' });
  return stdout === 'echo\n';
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
