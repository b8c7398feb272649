/** Counter slots → figures by rule id and by reason, with times people can read. */
import { REASON_OF_CODE } from '../abi/codec';
import { SLC_LIMITS } from '../abi/layout.gen';
import type { RankEntry } from '../compile/image';
import type { ClockReading } from '../kernel/clock';
import type { CounterFigures } from '../kernel/counters';
import type { Reason } from '../model/reason';

export interface Figure {
  readonly packets: bigint;
  readonly bytes: bigint;
  /** ISO time of the newest packet, to about a tick of the kernel's clock; null where there was none. */
  readonly lastHit: string | null;
}

/** Figures of one generation. Every rank has an entry, also those that were never hit. */
export interface NamedFigures {
  /** By `section/id`. */
  readonly rules: Readonly<Record<string, Figure>>;
  /** By reason word; only reasons that were hit. */
  readonly reasons: Readonly<Record<string, Figure>>;
  /** All packets by what became of them. */
  readonly verdicts: Readonly<Record<'allow' | 'deny', { packets: bigint; bytes: bigint }>>;
}

/** Reasons that let a packet pass without a row. */
const PASSING = new Set<Reason>([
  'arp',
  'neighbour-discovery',
  'multicast-listener',
  'link-protocol',
  'icmp-echo',
  'icmp-error',
  'flow',
  'answer',
  'gate-open',
]);

/** Whether a packet that left for this reason, without a row, passed. */
export function reasonPasses(reason: Reason): boolean {
  return PASSING.has(reason);
}

const NO_HITS: CounterFigures = { packets: 0n, bytes: 0n, lastHitJiffies: 0n };

/** Names the slots of a generation. `clock` and `hz` translate jiffies; `nowMs` is the wall clock at that reading. */
export function nameFigures(
  slots: ReadonlyMap<number, CounterFigures>,
  ranks: readonly Pick<RankEntry, 'rank' | 'section' | 'id' | 'action'>[],
  time: { clock: ClockReading; hz: number; nowMs: number },
): NamedFigures {
  const figure = ({ packets, bytes, lastHitJiffies }: CounterFigures): Figure => ({
    packets,
    bytes,
    lastHit: lastHitJiffies === 0n ? null : wallTime(lastHitJiffies, time),
  });
  const verdicts = { allow: { packets: 0n, bytes: 0n }, deny: { packets: 0n, bytes: 0n } };
  const add = (passed: boolean, { packets, bytes }: CounterFigures): void => {
    const sum = passed ? verdicts.allow : verdicts.deny;
    sum.packets += packets;
    sum.bytes += bytes;
  };
  const rules: Record<string, Figure> = Object.create(null) as Record<string, Figure>;
  for (const { rank, section, id, action } of ranks) {
    const hits = slots.get(rank) ?? NO_HITS;
    rules[`${section}/${id}`] = figure(hits);
    add(action === 'allow', hits);
  }
  const reasons: Record<string, Figure> = Object.create(null) as Record<string, Figure>;
  for (const [slot, hits] of slots) {
    const reason = slot < SLC_LIMITS.RANK_FIRST ? REASON_OF_CODE.get(slot) : undefined;
    if (!reason) continue;
    reasons[reason] = figure(hits);
    add(reasonPasses(reason), hits);
  }
  return { rules, reasons, verdicts };
}

function wallTime(jiffies: bigint, { clock, hz, nowMs }: { clock: ClockReading; hz: number; nowMs: number }): string {
  const age = Math.max(0, (Number(clock.jiffies - jiffies) * 1000) / hz);
  return new Date(nowMs - age).toISOString();
}
