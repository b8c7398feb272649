/** Where the daemon is to listen: text → address and port, or the path of a UNIX socket. */
import { addressBits, formatAddress } from '../model/prefix';
import { parseAddressText } from '../parse/address';
import { quote } from '../parse/finding';

/** An endpoint as node's `net` takes it. */
export type ListenAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly loopback: boolean }
  | { readonly kind: 'unix'; readonly path: string };

/** How it is written. */
export const LISTEN_HINT =
  'write 9464, 127.0.0.1:9464, [::1]:9464, or the path of a UNIX socket such as /run/sluice/metrics.sock';
/** Longest path of a UNIX socket (unix(7)), without the NUL. */
const MOST_PATH = 107;

/** Reads `9464` (on the loopback), `127.0.0.1:9464`, `[::1]:9464`, `localhost:9464` or an absolute path; a text: why it is none. */
export function readListenAddress(text: string): ListenAddress | string {
  if (text.startsWith('/')) {
    if (!text.includes('\0') && Buffer.byteLength(text) <= MOST_PATH) return { kind: 'unix', path: text };
    return `${quote(text)} cannot be a socket: its path may have ${MOST_PATH} bytes`;
  }
  const [, bracketed, bare, digits] = /^(?:(?:\[([^\]]*)\]|([^:]*)):)?(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (!(port >= 1 && port <= 65_535)) return `${quote(text)} names no port from 1 to 65535`;
  const host = bracketed ?? bare ?? 'localhost';
  const reading = parseAddressText(host.toLowerCase() === 'localhost' ? '127.0.0.1' : host);
  if (reading.kind === 'refused') return reading.problem.message;
  const { family, words, length } = reading.prefix;
  if (length !== addressBits(family) || (family === 6) !== (bracketed !== undefined))
    return `${quote(text)}: expected one address and a port`;
  const address = formatAddress(family, words);
  const loopback = family === 4 ? words[0] >>> 24 === 127 : address === '::1';
  return { kind: 'tcp', host: address, port, loopback };
}

/** As somebody types it into a client. */
export function listenText(address: ListenAddress): string {
  if (address.kind === 'unix') return address.path;
  return `http://${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}/metrics`;
}
