/** Counter slots → figures by rule id and by reason, with times people can read. */
import { REASON_OF_CODE, reasonPasses } from '../abi/codec';
import { SLC_LIMIT_REFUSED_RANK, SLC_LIMITS } from '../abi/layout.gen';
import type { RankEntry } from '../compile/image';
import type { ClockReading } from '../kernel/clock';
import { type CounterFigures, HIT_ROUND } from '../kernel/counters';

export interface Figure {
  readonly packets: bigint;
  readonly bytes: bigint;
  /** ISO time of the newest packet, to about a tick of the kernel's clock; null where there was none. */
  readonly lastHit: string | null;
}

/** Figures of one generation. Every rank has an entry, also those that were never hit, but for those that are told already. */
export interface NamedFigures {
  /** By `section/id`; what a limit rule refused by `section/id/refused` (`refusedKey`). */
  readonly rules: Readonly<Record<string, Figure>>;
  /** By reason word; only reasons that were hit. `udp-off` is of inbound: servers have a rule key for theirs. */
  readonly reasons: Readonly<Record<string, Figure>>;
  /** All packets that came in by what became of them. */
  readonly verdicts: VerdictFigures;
  /** Packets that went out. */
  readonly outgoing: {
    readonly reasons: Readonly<Record<string, Figure>>;
    readonly verdicts: VerdictFigures;
  };
}

type VerdictFigures = Readonly<Record<'allow' | 'deny', { packets: bigint; bytes: bigint }>>;

/** Whether the row of a rank sees packets that go out. */
function isOutgoing(tier: RankEntry['tier']): boolean {
  return tier.startsWith('out');
}

const NO_HITS: CounterFigures = { packets: 0n, bytes: 0n, lastHitJiffies: null };

/**
 * Names the slots of a generation. `clock` and `hz` translate jiffies; `nowMs` is the wall clock at that reading. `isTold`:
 * whether somebody knows the row at this place of the ranks, so that it is left out where it has counted nothing.
 */
export function nameFigures(
  slots: ReadonlyMap<number, CounterFigures>,
  ranks: readonly Pick<RankEntry, 'rank' | 'section' | 'tier' | 'id' | 'action'>[],
  time: { clock: ClockReading; hz: number; nowMs: number },
  isTold: (place: number) => boolean = () => false,
): NamedFigures {
  const figure = ({ packets, bytes, lastHitJiffies }: CounterFigures): Figure => ({
    packets,
    bytes,
    lastHit: lastHitJiffies === null ? null : wallTime(lastHitJiffies, time),
  });
  const [incoming, outgoing] = [new Tally(), new Tally()];
  const rules: Record<string, Figure> = Object.create(null) as Record<string, Figure>;
  // A row of a section that waits to be confirmed can have two ranks: as it is now, and as it was.
  const count = (key: string, hits: CounterFigures): void => {
    rules[key] = together(rules[key], figure(hits));
  };
  ranks.forEach(({ rank, section, tier, id, action }, place) => {
    const found = slots.get(rank);
    if (!found && action !== 'limit' && isTold(place)) return;
    const hits = found ?? NO_HITS;
    const direction = isOutgoing(tier) ? outgoing : incoming;
    count(`${section}/${id}`, hits);
    direction.add(action === 'allow' || action === 'limit', hits);
    if (action !== 'limit') return;
    const refused = slots.get(rank + SLC_LIMIT_REFUSED_RANK) ?? NO_HITS;
    count(refusedKey(`${section}/${id}`), refused);
    direction.add(false, refused);
  });
  for (const [slot, hits] of slots) {
    if (slot >= SLC_LIMITS.RANK_FIRST) continue;
    const out = slot >= SLC_LIMITS.REASON_SLOTS_OUT;
    const reason = REASON_OF_CODE.get(out ? slot - SLC_LIMITS.REASON_SLOTS_OUT : slot);
    if (!reason) continue;
    (out ? outgoing : incoming).reasons[reason] = figure(hits);
    (out ? outgoing : incoming).add(reasonPasses(reason), hits);
  }
  const { reasons, verdicts } = incoming;
  return { rules, reasons, verdicts, outgoing: { reasons: outgoing.reasons, verdicts: outgoing.verdicts } };
}

/** ISO times of one form (`toISOString`) order like their text. */
function together(one: Figure | undefined, other: Figure): Figure {
  if (!one) return other;
  const [, later] = [one.lastHit ?? '', other.lastHit ?? ''].sort();
  return { packets: one.packets + other.packets, bytes: one.bytes + other.bytes, lastHit: later || null };
}

/** Key of what the limit rule with this key refused. No id of a rule has a slash. */
export function refusedKey(rule: string): string {
  return `${rule}/refused`;
}

/** What became of the packets of one direction. */
class Tally {
  readonly reasons = Object.create(null) as Record<string, Figure>;
  readonly verdicts = { allow: { packets: 0n, bytes: 0n }, deny: { packets: 0n, bytes: 0n } };

  add(passed: boolean, { packets, bytes }: CounterFigures): void {
    const sum = passed ? this.verdicts.allow : this.verdicts.deny;
    sum.packets += packets;
    sum.bytes += bytes;
  }
}

/** Nothing is hit farther in the future; some minutes. */
const AHEAD_JIFFIES = 1n << 18n;

function wallTime(jiffies: bigint, { clock, hz, nowMs }: { clock: ClockReading; hz: number; nowMs: number }): string {
  const behind = (((clock.jiffies - jiffies) % HIT_ROUND) + HIT_ROUND) % HIT_ROUND;
  // A packet that came after the clock was read.
  const age = behind > HIT_ROUND - AHEAD_JIFFIES ? 0 : (Number(behind) * 1000) / hz;
  return new Date(nowMs - age).toISOString();
}
