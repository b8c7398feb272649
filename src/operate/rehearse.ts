/**
 * Real packets for the expectations of a ruleset: it is enforced on a link of its own, by the very apply, and each packet
 * goes over the wire. What arrived, the one counter that went up and the model must all say what the expectation says.
 */
import { REASON_OF_CODE } from '../abi/codec';
import { SLC_LIMIT_REFUSED_RANK, SLC_LIMITS } from '../abi/layout.gen';
import { sampleExpectations } from '../analyse/expect-samples';
import { describePacket } from '../analyse/packet-text';
import type { RankEntry } from '../compile/image';
import { readCounters } from '../kernel/counters';
import { SluiceError } from '../kernel/errors';
import type { BpfMap } from '../kernel/kernel';
import { decode } from '../model/decode';
import { echoSource } from '../model/echo';
import { type Decision, judgeFrame, type Judges, scan } from '../model/evaluate';
import { flowOfPacket } from '../model/flow';
import { NO_STATE } from '../model/given-state';
import { type LimitState, NO_LIMITS, recordLimit } from '../model/limit';
import { judgeOutgoingFrame } from '../model/outbound';
import type { FlowKey, Packet } from '../model/packet';
import type { Direction, Expectation, Rule, Ruleset } from '../model/ruleset';
import { writtenSections } from '../model/ruleset';
import { refusedKey } from '../observe/figures';
import { buildProbeFrame } from '../observe/probe-frame';
import type { Context } from './context';
import { LINK_ADDRESSES, type PrivateLink } from './private-link';

/** A packet that did not do what was expected. */
export interface RehearsedFailure {
  /** As `explain` takes it. */
  readonly packet: string;
  readonly problem: string;
}

/** What became of one expectation. */
export interface Rehearsed {
  readonly expectation: Expectation;
  /** Packets that were sent for it. */
  readonly packets: number;
  readonly failures: readonly RehearsedFailure[];
}

/** Packets on the way together: the socket that looks at them holds as many. */
const AT_ONCE = 64;

/** Time for a frame that must arrive to do so: a busy machine may be slow. */
const PATIENCE_MS = 30_000;

/**
 * Sends up to `most` packets of each expectation over the link, whose filtered end enforces the ruleset. What comes in
 * first: what goes out opens flows. Left out are packets that a limit or the echo-requests' rates would refuse for those
 * before them, and what goes out as an answer: no expectation is about these.
 */
export async function rehearse(
  context: Context,
  link: PrivateLink,
  enforced: { readonly ruleset: Ruleset; readonly ranks: readonly RankEntry[]; readonly counters: BpfMap },
  options: { readonly most: number; readonly goOn: () => void },
): Promise<{ readonly rehearsed: readonly Rehearsed[]; readonly frames: number }> {
  const rehearsal = new Rehearsal(context, link, enforced);
  const sampled = sampleExpectations(enforced.ruleset, options.most);
  const results = new Map<Expectation, Rehearsed>();
  for (const direction of ['in', 'out'] as const) {
    for (const { expectation, packets } of sampled) {
      if (expectation.direction !== direction) continue;
      const failures: RehearsedFailure[] = [];
      const seen = await rehearsal.try(packets, direction, options.goOn);
      for (const [packet, one] of seen) {
        const problem = problemOf(expectation, one);
        if (problem !== null) failures.push({ packet, problem });
      }
      results.set(expectation, { expectation, packets: seen.size, failures });
    }
  }
  const frames = rehearsal.assertAllCounted();
  return { rehearsed: sampled.map(({ expectation }) => results.get(expectation)!), frames };
}

/** What became of a packet. */
interface Seen {
  readonly decision: Decision;
  readonly arrived: boolean;
  /** Its counter, or what went up in its place: by `section/id`, or a reason in brackets. */
  readonly counted: readonly string[];
  readonly expected: string;
}

function problemOf({ verdict }: Expectation, { decision, arrived, counted, expected }: Seen): string | null {
  if (decision.verdict !== verdict) return `the model says "${decision.verdict}" by ${expected}`;
  if (arrived !== (verdict === 'allow')) return arrived ? 'it arrived' : 'it did not arrive';
  if (counted.length === 1 && counted[0] === expected) return null;
  return `it was not counted at ${expected}, but at ${[...new Set(counted)].join(' or ') || 'nothing'}`;
}

class Rehearsal {
  readonly #judges: Judges;
  readonly #limited: ReadonlyMap<string, Rule>;
  /** Null: left out. */
  readonly #known: Readonly<Record<Direction, Map<string, Seen | null>>> = { in: new Map(), out: new Map() };
  readonly #flows = new Set<string>();
  readonly #echoes = new Map<string, number>();
  #limits: LimitState = NO_LIMITS;
  #counts: Map<number, bigint>;
  #frames = 0;
  readonly #before: bigint;

  constructor(
    private readonly context: Context,
    private readonly link: PrivateLink,
    private readonly enforced: Parameters<typeof rehearse>[2],
  ) {
    const { ruleset } = enforced;
    this.#judges = scan(ruleset);
    this.#limited = new Map(
      writtenSections(ruleset).flatMap(({ name, rules }) =>
        rules.filter(({ limit }) => limit).map((rule) => [`${name}/${rule.id}`, rule] as const),
      ),
    );
    this.#counts = this.read();
    this.#before = sum(this.#counts);
  }

  /** What became of packets, by their words, but for those left out. A packet of several expectations is sent once. */
  async try(keys: readonly FlowKey[], direction: Direction, goOn: () => void): Promise<ReadonlyMap<string, Seen>> {
    const known = this.#known[direction];
    const fresh = keys.filter((key) => !known.has(describePacket(key)));
    for (let at = 0; at < fresh.length; at += AT_ONCE) {
      goOn();
      const some = fresh.slice(at, at + AT_ONCE);
      for (const key of some) known.set(describePacket(key), null);
      for (const [name, seen] of await this.send(some, direction)) known.set(name, seen);
    }
    const found = keys.map((key) => [describePacket(key), known.get(describePacket(key))] as const);
    return new Map(found.flatMap(([name, seen]) => (seen ? [[name, seen]] : [])));
  }

  /** Throws where the counters do not add up to the frames that were sent. */
  assertAllCounted(): number {
    const counted = Number(sum(this.read()) - this.#before);
    if (counted === this.#frames) return this.#frames;
    throw new SluiceError('ci/counts', `${this.#frames} frames were sent, and ${counted} counted`, {
      hint: 'this is a bug in sluice: please report it with the ruleset',
    });
  }

  private async send(keys: readonly FlowKey[], direction: Direction): Promise<[string, Seen][]> {
    const sent = keys.flatMap((key) => {
      const frame = this.frameOf(key, direction);
      const decision = this.judge(frame, direction);
      return decision ? [{ name: describePacket(key), frame, decision, expected: this.nameOf(decision) }] : [];
    });
    if (sent.length === 0) return [];
    const { filtered, outside } = this.link;
    const [from, to] = direction === 'in' ? [outside, filtered] : [filtered, outside];
    const frames = [...sent.map(({ frame }) => frame), markerFrame(this.#frames)];
    const arrived = await this.context.kernel.exchangeFrames(from, to, frames, PATIENCE_MS);
    this.#frames += frames.length;
    // Each packet takes its own counter out of those that went up; what is left over belongs to those that found none.
    const counted = this.countedNow();
    const found = sent.map(({ expected }) => take(counted, expected));
    return sent.map(({ name, decision, expected }, i) => [
      name,
      { decision, arrived: arrived[i], expected, counted: found[i] ? [expected] : counted },
    ]);
  }

  /** The model's word; null where the packet is left out. */
  private judge(frame: Uint8Array, direction: Direction): Decision | null {
    const decoded = decode(frame);
    if (decoded.kind !== 'ip') throw new RangeError('a probe is an IP packet');
    const { packet } = decoded;
    const state = { ...NO_STATE, limits: this.#limits };
    const { ruleset } = this.enforced;
    if (direction === 'in') {
      const decision = judgeFrame(ruleset, frame, this.#judges, state);
      return this.isWithinRates(packet, decision) ? decision : null;
    }
    const flow = flowOfPacket(packet);
    if (flow !== null && this.#flows.has(flow)) return null;
    if (flow !== null) this.#flows.add(flow);
    const decision = judgeOutgoingFrame(ruleset, frame, this.#judges, state);
    return ['keep-reachable-answer', 'answer'].includes(decision.reason) ? null : decision;
  }

  /** Records what limits and rates see of a packet, unless it is over one. */
  private isWithinRates(packet: Packet, { section, rule: id, reason }: Decision): boolean {
    if (reason === 'limit') return false;
    if (reason === 'icmp-echo') {
      const { echo } = this.enforced.ruleset;
      const source = echoSource(packet);
      const before = this.#echoes.get(source) ?? 0;
      const inAll = [...this.#echoes.values()].reduce((all, one) => all + one, 0);
      if (before >= echo.perSource || inAll >= echo.inAll) return false;
      this.#echoes.set(source, before + 1);
    }
    const rule = this.#limited.get(`${section}/${id}`);
    if (rule?.limit) this.#limits = recordLimit(`${section}/${rule.id}`, rule.limit, packet, this.#limits);
    return true;
  }

  private frameOf(key: FlowKey, direction: Direction): Uint8Array {
    const frame = Buffer.from(buildProbeFrame(key));
    const { filtered, outside } = LINK_ADDRESSES;
    for (const [at, address] of (direction === 'in' ? [filtered, outside] : [outside, filtered]).entries())
      frame.set(Buffer.from(address.replaceAll(':', ''), 'hex'), 6 * at);
    return frame;
  }

  /** The counters that went up since the last look, but for that of the marker. */
  private countedNow(): string[] {
    const before = this.#counts;
    this.#counts = this.read();
    const names: string[] = [];
    for (const [slot, packets] of this.#counts) {
      const name = this.nameOfSlot(slot);
      const more = Number(packets - (before.get(slot) ?? 0n)) - (name === MARKER_COUNTER ? 1 : 0);
      names.push(...Array<string>(Math.max(0, more)).fill(name));
    }
    return names;
  }

  private read(): Map<number, bigint> {
    return new Map([...readCounters(this.enforced.counters)].map(([slot, { packets }]) => [slot, packets]));
  }

  /** The counter that a decision belongs to. */
  private nameOf({ section, rule, reason }: Decision): string {
    const id = rule ?? reason;
    const isRow = this.enforced.ranks.some(
      (entry) => entry.section === section && entry.id === id && entry.rank >= SLC_LIMITS.RANK_FIRST,
    );
    return isRow ? `${section}/${id}` : `(${reason})`;
  }

  private nameOfSlot(slot: number): string {
    if (slot < SLC_LIMITS.RANK_FIRST) {
      const out = slot >= SLC_LIMITS.REASON_SLOTS_OUT;
      return `(${REASON_OF_CODE.get(out ? slot - SLC_LIMITS.REASON_SLOTS_OUT : slot) ?? slot})`;
    }
    const { ranks } = this.enforced;
    const entry = ranks.find(({ rank }) => rank === slot);
    if (entry) return `${entry.section}/${entry.id}`;
    const refused = ranks.find(({ rank }) => rank === slot - SLC_LIMIT_REFUSED_RANK);
    return refused ? refusedKey(`${refused.section}/${refused.id}`) : `(${slot})`;
  }
}

/** Takes one of the value out of the list; false where there is none. */
function take(list: string[], value: string): boolean {
  const at = list.indexOf(value);
  if (at >= 0) list.splice(at, 1);
  return at >= 0;
}

/** Counter of markers. */
const MARKER_COUNTER = '(arp)';

/** A frame that every ruleset passes and nobody answers, unlike all others: once it has arrived, what was sent before has been judged. */
function markerFrame(number: number): Uint8Array {
  const frame = Buffer.alloc(60);
  frame.fill(0xff, 0, 6);
  frame.writeUInt16BE(0x0806, 12);
  frame.writeUInt32BE(number, 50);
  return frame;
}

function sum(counts: ReadonlyMap<number, bigint>): bigint {
  return [...counts.values()].reduce((all, one) => all + one, 0n);
}
