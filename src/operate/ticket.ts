/**
 * What an operator pastes into a customer's ticket: what keeps somebody out of one server. It names no other server, no row
 * of the guard, no ban, no set, and is of bounded length.
 */
import { fieldOf, type PacketEvent } from '../observe/events';
import type { Refusal, ServerSection } from '../observe/server-page';
import { refusalsOf } from '../observe/server-page';
import { type Prefix, prefixCovers } from '../model/prefix';
import { parseAddressText } from '../parse/address';
import { BUILTIN_SERVICES } from '../parse/services';
import { doctorOwn, type OwnerPlace } from './owner/doctor';

/** Rows, refusals and characters of a line that are shown. */
const MOST_ROWS = 40;
const MOST_REFUSALS = 10;
const MOST_WIDTH = 200;

/** What a report is made of. */
export interface TicketInput {
  readonly place: OwnerPlace;
  readonly section: ServerSection;
  /** Port, and address where one was named, as `doctor` takes them. */
  readonly words: readonly string[];
  readonly takenAt: string;
  readonly version: string;
  /** What the log tells of; null: there is none. */
  readonly events: readonly PacketEvent[] | null;
  /** What was seen while it was waited. */
  readonly waited: readonly string[];
}

/** The report, a line each. */
export async function ticketLines({
  place,
  section,
  words,
  takenAt,
  version,
  events,
  waited,
}: TicketInput): Promise<string[]> {
  const { lines } = await doctorOwn(place, words);
  const { server, sshPorts, rows } = section;
  const ports = server.ports === null ? 'all ports' : `port ${server.ports}`;
  const shown = rows.slice(0, MOST_ROWS);
  const refusals = events
    ? refusalsOf(
        events.filter((event) => isAsked(event, words, sshPorts)),
        section.name,
      )
    : [];
  return [
    `sluice ${version}, report of ${takenAt.slice(0, 19).replace('T', ' ')} UTC`,
    `${section.name}: ${server.addresses.join(', ')}, ${ports}; default ${section.default ?? ''}${sshPorts.length > 0 ? `, ssh ${sshPorts.join(',')}` : ''}`,
    ...(section.allowAll ? [`under ALLOW ALL until ${section.allowAll.until.slice(0, 19).replace('T', ' ')} UTC`] : []),
    '',
    ...lines,
    ...waited,
    '',
    'rows, the first that matches decides:',
    ...shown.map(({ number, tier, text, enabled, packets, lastHit }) => {
      const place = number === null ? `tier ${tier}` : `[${number}]`;
      return `  ${place} ${text}${enabled ? '' : ' (off)'}: ${packets} packets, last ${lastHit === null ? 'never' : `${lastHit.slice(0, 19).replace('T', ' ')} UTC`}`;
    }),
    ...(rows.length > MOST_ROWS ? [`  and ${rows.length - MOST_ROWS} more`] : []),
    '',
    ...(refusals.length > 0
      ? ['newest refusals at that port:', ...refusals.slice(0, MOST_REFUSALS).map(refusalText)]
      : [events ? 'the log tells of no refusal at that port' : 'there is no log that tells of refusals']),
  ].map((line) => (line.length > MOST_WIDTH ? `${line.slice(0, MOST_WIDTH)}…` : line));
}

/**
 * Whether it is about the port, by the protocol and from the address where they are named. `words` as `doctor` takes them:
 * `8000`, `8000/udp`, `https`, `ssh`, then perhaps an address or a prefix.
 */
export function isAsked(event: PacketEvent, [port, ...rest]: readonly string[], sshPorts: readonly number[]): boolean {
  const asked = rest.length > 0 ? prefixOf(rest.at(-1)!) : null;
  const source = prefixOf(fieldOf(event, 'SRC') ?? '');
  if (asked && !(source?.family === asked.family && prefixCovers(asked, source))) return false;
  const [door, protocol] = port.toLowerCase().split('/');
  if (protocol !== undefined && fieldOf(event, 'PROTO')?.toLowerCase() !== protocol) return false;
  const service = BUILTIN_SERVICES.get(door)?.ports.map(({ first }) => String(first));
  const ports = door === 'ssh' ? sshPorts.map(String) : (service ?? [door]);
  return ports.includes(fieldOf(event, 'DPT') ?? '');
}

function prefixOf(text: string): Prefix | null {
  const reading = parseAddressText(text);
  return reading.kind === 'prefix' ? reading.prefix : null;
}

function refusalText({ time, source, sourcePort, protocol, port, rule, reason }: Refusal): string {
  const from = sourcePort === null ? source : `${source} port ${sourcePort}`;
  return `  ${time.slice(0, 19).replace('T', ' ')} UTC ${protocol} from ${from} to port ${port ?? ''}: ${rule || reason}`;
}
