/** `doctor --wait`: asks somebody to connect, and looks what becomes of it. */
import { formatAddress } from '../model/prefix';
import type { FlowKey } from '../model/packet';
import type { Ruleset } from '../model/ruleset';
import type { Snapshot } from '../observe/snapshot';
import { listBans } from '../operate/bans';
import type { Context } from '../operate/context';
import { takeSnapshot } from '../operate/enforcement';
import { EventsTakenError } from '../operate/event-source';
import { countOf, expectedDecision, movedRows, type Sighting, sightingOf, type Watched } from '../operate/watch-door';
import { liveEvents } from '../serve/live-events';
import type { Output } from './output';

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

/** What is waited for. */
interface WaitOptions {
  readonly watched: Watched;
  /** The first packet of the source that was named; null: anybody's. */
  readonly key: FlowKey | null;
  readonly ms: number;
  /** Lines are to tell of nothing but the server's own. */
  readonly forTicket: boolean;
}

/** Who decided, where that is all that may be told. */
const PROVIDER = 'the provider';

/** Waits so long, or until something is seen. */
export async function waitForPacket(
  context: Context,
  ruleset: Ruleset,
  { watched, key, ms, forTicket }: WaitOptions,
  output: Output,
): Promise<Waited> {
  const ended = new AbortController();
  const end = (): void => ended.abort();
  process.once('SIGTERM', end).once('SIGINT', end);
  let found: Sighting | null = null;
  const before = await takeSnapshot(context);
  const pump = await startPump(context, ended.signal, output, (event) => (found ??= sightingOf(event, watched)));
  const bans = (await listBans(context)).bans.map(({ prefix }) => prefix);
  const expected = key && expectedDecision(ruleset, key, bans);
  const { port, protocol } = watched.door;
  const who = key ? `from ${formatAddress(key.family, key.source)} ` : '';
  const owner = watched.server?.name ?? 'this machine';
  output.say(`connect now ${who}to ${port}/${protocol} of ${owner}: looking for ${ms / 1000} s`);
  let after = before;
  const moved = { at: 0, packets: 0n };
  const deadline = performance.now() + ms;
  while (!found && !ended.signal.aborted && performance.now() < deadline) {
    await new Promise((done) => setTimeout(done, LOOK_MS));
    after = await takeSnapshot(context);
    if (!expected) continue;
    const packets = countOf(after, expected) - countOf(before, expected);
    if (packets > 0n && moved.at === 0) moved.at = performance.now();
    moved.packets = packets;
    if (moved.at > 0 && performance.now() - moved.at > EVENT_MS) break;
  }
  ended.abort();
  process.off('SIGTERM', end).off('SIGINT', end);
  await pump.ended;
  if (!found && moved.packets > 0n && expected)
    found = { by: 'counter', packets: moved.packets.toString(), decision: expected };
  return { sighting: found, lines: linesOf(found, { before, after, watched, ms, forTicket }) };
}

/** Takes events until the signal; where another command has them, counters must do. */
async function startPump(
  context: Context,
  signal: AbortSignal,
  output: Output,
  take: (event: Parameters<typeof sightingOf>[0]) => unknown,
): Promise<{ readonly ended: Promise<void> }> {
  try {
    const { events } = await liveEvents(context, signal);
    const pump = async (): Promise<void> => {
      for await (const event of events) take(event);
    };
    const failed = ({ message }: Error): void => output.say(`note: ${message}: from now only counters are looked at`);
    return { ended: pump().catch(failed) };
  } catch (error) {
    if (!(error instanceof EventsTakenError)) throw error;
    output.say(`note: ${error.message}: only counters are looked at`);
    return { ended: Promise.resolve() };
  }
}

function linesOf(
  sighting: Sighting | null,
  { before, after, watched, ms, forTicket }: Omit<WaitOptions, 'key'> & { before: Snapshot; after: Snapshot },
): string[] {
  // What the provider's rows and bans are is nothing that a ticket tells.
  const isTold = (section: string): boolean => !forTicket || section === watched.server?.name;
  if (sighting?.by === 'event') {
    const { key, time, word, section, rule, reason } = sighting;
    const did = word.endsWith('BLOCK') ? 'refused' : word.startsWith('ALLOW') ? 'let in' : 'seen';
    const by = isTold(section) ? rule || reason : PROVIDER;
    const packet = `${formatAddress(key.family, key.source)} port ${key.sourcePort}`;
    return [`seen: a packet from ${packet} was ${did} by ${by}, ${time.slice(11, 19)} UTC`];
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
  if (forTicket && (watched.source || rows.length === 0))
    return [`nothing came: no packet of his reached the firewall within ${ms / 1000} s`];
  const whole = BigInt(after.packets.seen) - BigInt(before.packets.seen);
  if (!watched.source && rows.length > 0)
    return [
      `nothing was told of a packet to that port within ${ms / 1000} s; meanwhile these rows decided:`,
      ...rows.map(({ text, packets }) => `  ${packets} by ${text}`),
      'whose they were is told with his address behind the port, or at: sluice logging high',
    ];
  return [
    `nothing came: no packet of his reached ${after.interfaces.map(({ name }) => name).join(', ') || 'a filtered interface'} within ${ms / 1000} s (${whole} of others did)`,
    '  so no rule here keeps him out. Has he the right address and port? Does his network, or one on the way, let it out?',
    ...(after.notFiltered.length > 0
      ? [`  what comes in by ${after.notFiltered.map(({ name }) => name).join(', ')} is not filtered, and not seen`]
      : []),
  ];
}
