/** Somebody is asked to connect: what becomes of it, by events where there are any, else by counters. */
import { formatAddress, hostPrefix, type Prefix } from '../model/prefix';
import type { FlowKey } from '../model/packet';
import type { Decision } from '../model/evaluate';
import type { Ruleset } from '../model/ruleset';
import type { PacketEvent } from '../observe/events';
import type { Snapshot } from '../observe/snapshot';
import { listBans } from './bans';
import type { Context } from './context';
import { countOf, expectedDecision, movedRows, type Sighting, sightingOf, type Watched } from './watch-door';

/** How often counters are looked at. */
const LOOK_MS = 300;
/** How long an event is waited for once a counter has moved. */
const EVENT_MS = 700;

/** What was seen while it was waited. */
export interface Waited {
  /** Null: no packet of his. */
  readonly sighting: Sighting | null;
  /** Lines about it. */
  readonly lines: readonly string[];
}

/**
 * Who reads the lines: the operator, somebody to whom he passes a ticket on, or an owner. A ticket tells of no row of the
 * provider; an owner is told nothing either that a counter of the provider's or a source he has not named would tell him.
 */
export type Reader = 'operator' | 'ticket' | 'owner';

/** What is waited for. */
export interface WaitOptions {
  readonly watched: Watched;
  /** The first packet of the source that was named; null: anybody's. */
  readonly key: FlowKey | null;
  readonly ms: number;
  readonly reader: Reader;
}

/** What of a snapshot is looked at. */
export type Looked = Pick<Snapshot, 'sections' | 'reasons' | 'packets' | 'interfaces' | 'notFiltered'>;

/** Where what is seen comes from. */
export interface WaitPlace {
  /** Hands events over until the signal comes, and resolves once it does so. `ended`: when it hands over no more. */
  readonly listen: (
    take: (event: PacketEvent) => void,
    signal: AbortSignal,
  ) => Promise<{ readonly ended: Promise<void> }>;
  readonly snapshot: () => Promise<Looked>;
  /** Called when somebody may connect. */
  readonly ready: () => void;
  /** Ends it before its time. */
  readonly ended: AbortController;
}

/** Who decided, where that is all that may be told. */
const PROVIDER = 'the provider';

/** Waits so long, until something is seen, or until it is ended. */
export async function waitAtDoor(
  context: Context,
  ruleset: Ruleset,
  options: WaitOptions,
  { listen, snapshot, ready, ended }: WaitPlace,
): Promise<Waited> {
  const { watched, key, ms } = options;
  let found: Sighting | null = null;
  const before = await snapshot();
  const pump = await listen((event) => (found ??= sightingOf(event, watched)), ended.signal);
  const expected = key && counted(expectedDecision(ruleset, key, await bansOf(context, key)), options);
  ready();
  let after = before;
  const moved = { at: 0, packets: 0n };
  const deadline = performance.now() + ms;
  while (!found && !ended.signal.aborted && performance.now() < deadline) {
    await new Promise((done) => setTimeout(done, LOOK_MS));
    after = await snapshot();
    if (!expected) continue;
    const packets = countOf(after, expected) - countOf(before, expected);
    if (packets > 0n && moved.at === 0) moved.at = performance.now();
    moved.packets = packets;
    if (moved.at > 0 && performance.now() - moved.at > EVENT_MS) break;
  }
  ended.abort();
  await pump.ended;
  if (!found && moved.packets > 0n && expected)
    found = { by: 'counter', packets: moved.packets.toString(), decision: expected };
  return { sighting: found, lines: linesOf(found, { ...options, before, after }) };
}

async function bansOf(context: Context, { family, source }: FlowKey): Promise<readonly Prefix[]> {
  const { bans } = await listBans(context, hostPrefix(family, source));
  return bans.map(({ prefix }) => prefix);
}

/** What whoever is to connect is told. */
export function connectLine({ watched, key, ms }: Pick<WaitOptions, 'watched' | 'key' | 'ms'>): string {
  const { port, protocol } = watched.door;
  const who = key ? `from ${formatAddress(key.family, key.source)} ` : '';
  return `connect now ${who}to ${port}/${protocol} of ${watched.server?.name ?? 'this machine'}: looking for ${ms / 1000} s`;
}

/**
 * Whether whoever reads of it may know the source that was seen: one that he has named he knows, and who comes to rows of
 * the server is the server's affair; whom the provider keeps out is the provider's.
 */
export function isSourceTold({ section }: { readonly section: string }, { watched, reader }: ReaderOf): boolean {
  return reader === 'operator' || watched.source !== null || section === watched.server?.name;
}

type ReaderOf = Pick<WaitOptions, 'watched' | 'reader'>;

/** A decision by whose counter something may be told: the provider's count packets to other servers too. */
function counted(decision: Decision, { watched, reader }: ReaderOf): Decision | null {
  return reader === 'owner' && decision.section !== watched.server?.name ? null : decision;
}

function linesOf(
  sighting: Sighting | null,
  { before, after, watched, ms, reader }: Omit<WaitOptions, 'key'> & { before: Looked; after: Looked },
): string[] {
  const isTold = (section: string): boolean => reader === 'operator' || section === watched.server?.name;
  if (sighting?.by === 'event') {
    const { key, time, word, section, rule, reason } = sighting;
    const did = word.endsWith('BLOCK') ? 'refused' : word.startsWith('ALLOW') ? 'let in' : 'seen';
    const by = isTold(section) ? rule || reason : PROVIDER;
    const from = isSourceTold(sighting, { watched, reader })
      ? ` from ${formatAddress(key.family, key.source)} port ${key.sourcePort}`
      : '';
    return [`seen: a packet${from} was ${did} by ${by}, ${time.slice(11, 19)} UTC`];
  }
  if (sighting) {
    const { packets, decision } = sighting;
    const did = decision.verdict === 'allow' ? 'let in' : 'refused';
    if (!isTold(decision.section)) return [`counted: packets such as his were ${did} by ${PROVIDER}`];
    const by = `${decision.rule ?? decision.reason} of ${decision.section}`;
    const some = packets === '1' ? 'a packet was' : `${packets} packets were`;
    return [`counted: ${some} ${did} by ${by}, which is what decides about his; others may be among them`];
  }
  const rows = movedRows(before, after, watched.server?.name ?? 'inbound');
  if (reader !== 'operator' && (watched.source || rows.length === 0))
    return reader === 'ticket'
      ? [`nothing came: no packet of his reached the firewall within ${ms / 1000} s`]
      : [`nothing was seen: no packet to that port met your rows within ${ms / 1000} s`];
  const whole = BigInt(after.packets.seen) - BigInt(before.packets.seen);
  if (!watched.source && rows.length > 0)
    return [
      `nothing was told of a packet to that port within ${ms / 1000} s; meanwhile these rows decided:`,
      ...rows.map(({ text, packets }) => `  ${packets} by ${text}`),
      `whose they were is told with his address behind the port${reader === 'operator' ? ', or at: sluice logging high' : ''}`,
    ];
  return [
    `nothing came: no packet of his reached ${after.interfaces.map(({ name }) => name).join(', ') || 'a filtered interface'} within ${ms / 1000} s (${whole} of others did)`,
    '  so no rule here keeps him out. Has he the right address and port? Does his network, or one on the way, let it out?',
    ...(after.notFiltered.length > 0
      ? [`  what comes in by ${after.notFiltered.map(({ name }) => name).join(', ')} is not filtered, and not seen`]
      : []),
  ];
}
