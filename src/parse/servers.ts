/** `servers:` → the servers behind this machine, each with rows of its own; and that no packet belongs to two. */
import type { Diagnostic } from '../diagnostics/diagnostic';
import type { PortRange } from '../model/port-range';
import { addressBits, formatAddress, type Prefix } from '../model/prefix';
import type { Server } from '../model/ruleset';
import { parseAddressText } from './address';
import { type Context, placeOf, termOf, textsOf } from './context';
import { type DocumentNode, isNothing, type MapEntry, type MapNode, valueOf } from './document-node';
import { at, type Problem, quote, refuse, splitTerm } from './finding';
import type { Names } from './names';
import { readOwner } from './owner';
import { ownText } from './own-text';
import type { ParseMemory } from './parse-memory';
import { normalizeRanges, parsePortRange } from './port';
import { MAX_RULES, readServerSection } from './section';
import { findOverlaps } from './server-overlap';
import { folderKey, type FolderEntry, readFolder } from './server-files';

/** Most servers in a ruleset, and most rules in one of them. */
export const MAX_SERVERS = 4_000;
export const MAX_SERVER_RULES = 10_000;
/** Most addresses, and most ranges of ports, of one server: each row is about all of them. */
export const MAX_SERVER_PLACES = 256;
/** Most addresses times ranges of ports: each is a region of its own of every row. */
export const MAX_SERVER_DOORS = 4_096;

const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/i;
/** Names of other sections, and words that mean something in the place of a name. */
const TAKEN = new Set([
  'inbound',
  'outbound',
  'guard',
  'servers',
  'settings',
  'dir',
  'all',
  'any',
  'everything',
  'off',
  'numbered',
  'verbose',
]);

/** What the reader of servers is told of the rest of the ruleset. */
export interface Surroundings {
  /** Names in the rows of a section with these SSH ports. */
  readonly makeNames: (sshPorts: readonly number[] | undefined) => Names;
  /** Rules of all other sections. */
  readonly rules: number;
  readonly memory: ParseMemory | undefined;
}

/** Reads `servers`, ascending by name. Servers with errors are left out, once all that is wrong with them is reported. */
export function readServers(node: DocumentNode | undefined, context: Context, around: Surroundings): Server[] {
  if (node?.kind !== 'map') return [];
  const dir = folderKey(node);
  const entries: readonly FolderEntry[] = dir
    ? readFolder(dir, context, around.memory)
    : node.entries.map((entry) => ({ entry, context }));
  if (entries.length > MAX_SERVERS) {
    const message = `${entries.length} servers, a ruleset holds at most ${MAX_SERVERS}`;
    context.sink(at(placeOf(context, node), refuse('parse/too-many-servers', message)));
    return [];
  }
  let rules = around.rules;
  const servers: Server[] = [];
  for (const written of entries) {
    const server = serverOf(written, around);
    if (!server) continue;
    servers.push(server);
    if (rules <= MAX_RULES && rules + server.rules.length > MAX_RULES) {
      const message = `with server ${quote(server.name)} there are more than ${MAX_RULES} rules, the most a ruleset holds`;
      const hint = 'rules that differ only in the address are one rule and a set';
      context.report(atServer(server, refuse('parse/rules-in-all', message, hint)));
    }
    rules += server.rules.length;
  }
  reportOverlaps(servers, context);
  return servers.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function serverOf(written: FolderEntry, around: Surroundings): Server | undefined {
  if (!('known' in written)) {
    if (around.memory) around.memory.serversRead++;
    const server = readServer(written.entry, written.context, around);
    if (server) written.keep?.(server);
    return server;
  }
  written.known.findings[1].forEach(written.context.report);
  return written.known.server;
}

/** A finding about the whole server, at its name. */
function atServer({ source }: Server, problem: Problem, notes: Diagnostic['notes'] = []): Diagnostic {
  const { code, severity, message, hint } = at({ start: source.offset, length: source.length }, problem);
  return { code, severity, message, ...(hint !== undefined && { hint }), source, notes };
}

function readServer({ key, value }: MapEntry, context: Context, around: Surroundings): Server | undefined {
  const name = ownText(key.text);
  const problem = serverNameProblem(name);
  if (problem !== undefined)
    context.sink(at(placeOf(context, key), refuse('parse/name', `${quote(name)} cannot name a server: ${problem}`)));
  if (value.kind !== 'map') return undefined;
  const addresses = readAddresses(name, value, context);
  const ports = readPorts(name, value, context);
  const doors = addresses.length * (ports?.length ?? 1);
  if (doors > MAX_SERVER_DOORS && Math.max(addresses.length, ports?.length ?? 0) <= MAX_SERVER_PLACES) {
    const message = `server ${quote(name)} has ${addresses.length} addresses with ${ports?.length} ranges of ports each, ${doors} in all; at most ${MAX_SERVER_DOORS} are one server's`;
    const hint = 'make two servers of it, or prefixes and ranges that are wider';
    context.sink(at(placeOf(context, key), refuse('parse/too-many-servers', message, hint)));
  }
  const target = readTarget(value, context);
  const owner = readOwner(value, context);
  const section = readServerSection(name, value, context, around.makeNames);
  if (section.rules.length > MAX_SERVER_RULES) {
    const message = `server ${quote(name)} has ${section.rules.length} rules, a server holds at most ${MAX_SERVER_RULES}`;
    const hint = 'rules that differ only in the address are one rule and a set';
    context.sink(at(placeOf(context, key), refuse('parse/too-many-rules', message, hint)));
  }
  if (problem !== undefined || addresses.length === 0) return undefined;
  return {
    ...section,
    addresses,
    ...(ports && { ports }),
    ...(target !== undefined && { target: ownText(target) }),
    ...(owner && { owner }),
    source: context.file.range(key.start, key.end),
  };
}

/** Why the text cannot name a server, or undefined where it can. */
export function serverNameProblem(name: string): string | undefined {
  if (!NAME.test(name)) return 'a name has 1–64 letters, digits and . _ - and begins with a letter or digit';
  if (TAKEN.has(name.toLowerCase())) return 'it means something else here';
  return undefined;
}

function readAddresses(name: string, map: MapNode, context: Context): readonly Prefix[] {
  const node = valueOf(map, 'address');
  if (!node) return [];
  const addresses: Prefix[] = [];
  const terms = textsOf(node)
    .filter((item) => !isNothing(item))
    .map(termOf)
    .flatMap(splitTerm);
  for (const term of terms) {
    const reading = parseAddressText(term.text);
    if (reading.kind === 'refused') {
      const hint = reading.problem.hint ?? 'a server has addresses and prefixes of its own; no sets';
      context.sink(at(term, { ...reading.problem, hint }));
      continue;
    }
    if (reading.warning) context.sink(at(term, reading.warning));
    addresses.push(reading.prefix);
  }
  if (terms.length === 0)
    context.sink(at(placeOf(context, node), refuse('parse/empty-list', `server ${quote(name)} has no address`)));
  refuseTooMany(name, 'addresses', addresses.length, node, context);
  return addresses;
}

function readPorts(name: string, map: MapNode, context: Context): readonly PortRange[] | undefined {
  const node = valueOf(map, 'ports');
  if (!node || isNothing(node)) return undefined;
  const ranges: PortRange[] = [];
  const terms = textsOf(node).map(termOf).flatMap(splitTerm);
  for (const term of terms) {
    const range = parsePortRange(term.text);
    if ('code' in range)
      context.sink(at(term, { ...range, hint: range.hint ?? 'write 14500-14599, or leave ports out for all of them' }));
    else ranges.push(range);
  }
  if (terms.length === 0) {
    const hint = 'leave it out where the server owns all of its addresses';
    const message = `the list of ports of server ${quote(name)} is empty: it would own nothing`;
    context.sink(at(placeOf(context, node), refuse('parse/empty-list', message, hint)));
  }
  refuseTooMany(name, 'ranges of ports', ranges.length, node, context);
  return normalizeRanges(ranges);
}

function refuseTooMany(name: string, what: string, count: number, node: DocumentNode, context: Context): void {
  if (count <= MAX_SERVER_PLACES) return;
  const message = `server ${quote(name)} has ${count} ${what}, at most ${MAX_SERVER_PLACES} are one server's`;
  context.sink(at(placeOf(context, node), refuse('parse/too-many-servers', message)));
}

function readTarget(map: MapNode, context: Context): string | undefined {
  const node = valueOf(map, 'target');
  if (node?.kind !== 'text' || isNothing(node)) return undefined;
  const reading = parseAddressText(node.text);
  if (reading.kind === 'refused') {
    context.sink(at(termOf(node), reading.problem));
    return undefined;
  }
  const { family, words, length } = reading.prefix;
  if (length === addressBits(family)) return formatAddress(family, words);
  const message = `${quote(node.text)} is a network, expected the one address behind NAT`;
  context.sink(at(termOf(node), refuse('parse/address', message)));
  return undefined;
}

function reportOverlaps(servers: readonly Server[], context: Context): void {
  for (const { one, other, what } of findOverlaps(servers)) {
    const [a, b] = [servers[one], servers[other]];
    const message =
      one === other
        ? `server ${quote(b.name)} names ${what} twice`
        : `servers ${quote(a.name)} and ${quote(b.name)} overlap: both own ${what}`;
    const hint = one === other ? 'write each address once' : 'a packet is judged by the rows of one server only';
    const notes = one === other ? [] : [{ message: `server ${quote(a.name)}`, source: a.source }];
    context.report(atServer(b, refuse('parse/server-overlap', message, hint), notes));
  }
}
