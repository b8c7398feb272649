/** `[SERVER] PORT …` on a command line: a port of this machine or of a server. */
import { formatPorts, portInRanges } from '../model/port-range';
import { PROTOCOL } from '../model/protocol';
import type { Ruleset, Server } from '../model/ruleset';
import { BUILTIN_SERVICES, DEFAULT_SSH_PORTS } from '../parse/services';
import { UsageError } from './usage-error';

/** What the words say; `rest`: those behind the port. */
export interface DoorWords {
  readonly server: Server | null;
  readonly port: number;
  /** Left out where they say neither, or name a service that is both. */
  readonly protocol?: 'tcp' | 'udp';
  readonly rest: readonly string[];
}

/** Reads a server, where one is named before the port, and the port; `ruleset` is what enforces, null where nothing does. */
export function readDoor(words: readonly string[], ruleset: Ruleset | null, example: string): DoorWords {
  const server = readServer(words, ruleset?.servers ?? [], example);
  const [text, ...rest] = server ? words.slice(1) : words;
  const door = readPort(text, (server ?? ruleset?.inbound)?.ssh?.ports ?? DEFAULT_SSH_PORTS, example);
  if (server?.ports && !portInRanges(server.ports, door.port))
    throw new UsageError(`${door.port} is not a port of ${server.name}: ${formatPorts(server.ports)}`, example);
  return { server, ...door, rest };
}

/** Throws `UsageError` where the words name no port, whatever enforces: that is said before all else. */
export function requirePort([first, second]: readonly string[], example: string): void {
  readPort(second !== undefined && isPort(second) ? second : first, DEFAULT_SSH_PORTS, example);
}

/** The server that is named before the port; null where none is. */
function readServer([first, second]: readonly string[], servers: readonly Server[], example: string): Server | null {
  if (second === undefined || !isPort(second)) return null;
  const found = servers.find(({ name }) => name === first);
  if (found) return found;
  const names = servers.map(({ name }) => name);
  const known = names.length > 0 ? ` (there are: ${names.slice(0, 8).join(', ')}${names.length > 8 ? ' …' : ''})` : '';
  throw new UsageError(`"${first}" is no server${known}`, example);
}

function isPort(text: string): boolean {
  return /^\d{1,5}(?:\/(?:tcp|udp))?$/i.test(text) || BUILTIN_SERVICES.has(text.toLowerCase()) || /^ssh$/i.test(text);
}

/** `8000`, `8000/udp`, `https`, which is both; `ssh` is the port of the section. */
export function readPort(
  text: string,
  sshPorts: readonly number[],
  example: string,
): Pick<DoorWords, 'port' | 'protocol'> {
  const [, digits, protocol] = /^(\d{1,5})(?:\/(tcp|udp))?$/i.exec(text) ?? [];
  if (digits !== undefined) {
    const port = Number(digits);
    if (port >= 1 && port <= 65_535)
      return protocol === undefined ? { port } : { port, protocol: protocol.toLowerCase() as 'tcp' | 'udp' };
  }
  const name = text.toLowerCase();
  if (name === 'ssh') return { port: sshPorts[0], protocol: 'tcp' };
  const service = BUILTIN_SERVICES.get(name);
  if (!service)
    throw new UsageError(`"${text}" is no port: expected 1 to 65535, with /tcp or /udp, or a service`, example);
  const port = service.ports[0].first;
  const [tcp, udp] = [PROTOCOL.TCP, PROTOCOL.UDP].map((one) => service.protocols.includes(one));
  return tcp && udp ? { port } : { port, protocol: tcp ? 'tcp' : 'udp' };
}
