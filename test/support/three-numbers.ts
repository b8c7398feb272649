/**
 * The three numbers every end-to-end test ends with (SPEC §3): frames sent, what the driver's XDP counters say, and the
 * sum of ours. A host of the tests compares them when it is closed, so that no test can forget it.
 *
 * - **Sent** is counted by a queue at the peer's link (`tc -s qdisc`), which counts the frames a segmented packet becomes:
 *   veth's own transmit statistics are the other side's receive statistics, and would prove nothing. Frames that never
 *   pass the queue (an injector's) are added by whoever sends them. It is compared with the driver over every span in
 *   which a program stood on the link from beginning to end: readings are taken before and after each command. A reading
 *   at which frames were on their way begins and ends no span.
 * - **The driver** (`ethtool -S`) counts frames seen by a native program, and dropped or sent back (a reject answers with
 *   the frame itself, which is an error of its own where the peer takes none): all of them are denied. It does so over the life of the device. Behind
 *   the generic hook it counts nothing: there, ours are compared with what was sent.
 * - **Ours** are the totals `status` shows, which outlive generations and `disable`. Where a test takes them away (the
 *   state folder or the pins removed by hand), it says so by `recount`, with the reason, and counting begins anew.
 *
 * Where no program of sluice stands on the link at all (the nftables judge, the instruments' own tests), only frames sent
 * exist; those tests compare them with what their own observer saw.
 */
import type { Snapshot } from '../../src/observe/snapshot';
import { parseDriverCounters } from './ethtool';
import type { Namespace } from './netns';
import { must } from './process';

/** A link of a namespace. */
export interface LinkOf {
  readonly namespace: Namespace;
  readonly link: string;
}

interface Reading {
  readonly sent: number;
  readonly seen: number;
  readonly dropped: number;
  readonly ifindex: number;
  /** How a program is attached; null where none is, and where the link is gone. */
  readonly mode: 'native' | 'generic' | null;
  /** No frame was on its way. */
  readonly quiet: boolean;
}

/** Frames that sluice judged, as it says itself. */
export type Ours = Pick<Snapshot['packets'], 'seen' | 'denied'>;

/**
 * Ours, of what came by the link: the answers to what was rejected on its way out come from sluice itself, and behind
 * the generic hook they are judged like any frame.
 */
export function judgedOf({ packets, reasons }: Pick<Snapshot, 'packets' | 'reasons'>): Ours {
  const own = reasons.find(({ reason }) => reason === 'own-answer')?.packets ?? '0';
  return { seen: String(Number(packets.seen) - Number(own)), denied: packets.denied };
}

const READINGS = 4;
/** How `ip` and the kernel (if_link.h) number a native program. */
const XDP_ATTACHED_DRV = 1;
const PATIENCE_MS = 60_000;
/** How often a reading that contradicts the last is taken again, after a pause: a frame may wait for a busy processor. */
const LOOKS = 100;
const PAUSE_MS = 50;

export class ThreeNumbers {
  #last: Reading | undefined;
  /** Where the current span began. */
  #anchor: Reading | undefined;
  #more: () => number = () => 0;
  /** What ours must be: frames the driver saw, or (generic) those sent while a program stood there. */
  #seen = 0;
  #dropped = 0;
  /** In generic mode frames may have come while a program was being attached; nobody can say which it saw. */
  #unsure = 0;
  #generic = false;
  #before: Ours = { seen: '0', denied: '0' };
  #anew = '';
  readonly #found: string[] = [];
  /** How long frames may be on their way before they are missed; less where a test knows that they are. */
  patienceMs = PATIENCE_MS;

  /** `filtered` is the link under the firewall, `peer` its other end. */
  constructor(
    private readonly filtered: LinkOf,
    private readonly peer: LinkOf,
  ) {
    this.connect();
  }

  /** Begins to count what the peer sends; again after its link was made anew. */
  connect(): void {
    const { namespace, link } = this.peer;
    must(['tc', '-n', namespace.name, 'qdisc', 'replace', 'dev', link, 'root', 'pfifo', 'limit', '100000']);
    this.#anchor = undefined;
    this.#last = undefined;
    this.mark('the link was made');
  }

  /** Frames that another way of sending has put on the link so far. */
  alsoSent(count: () => number): void {
    this.#more = count;
    this.#anchor = undefined;
  }

  /** Takes a reading: before and after whatever may attach or detach a program. */
  mark(when: string): void {
    const now = this.#settled();
    const last = this.#last;
    this.#last = now;
    if (last && last.ifindex === now.ifindex) {
      this.#seen += now.seen - last.seen;
      this.#dropped += now.dropped - last.dropped;
      const sent = now.sent - last.sent;
      if (last.mode === 'generic' && now.mode === 'generic') this.#seen += sent;
      else if (last.mode === 'generic' || now.mode === 'generic') this.#unsure += sent;
    } else if (last && now.ifindex !== 0) {
      // A device made anew counts from 0.
      this.#seen += now.seen;
      this.#dropped += now.dropped;
    }
    this.#generic ||= now.mode === 'generic';
    if (now.mode !== 'native' || (this.#anchor && this.#anchor.ifindex !== now.ifindex)) this.#anchor = undefined;
    if (now.mode !== 'native' || !now.quiet) return;
    const begin = this.#anchor;
    this.#anchor = now;
    if (!begin) return;
    const [sent, seen] = [now.sent - begin.sent, now.seen - begin.seen];
    if (sent !== seen) this.#found.push(`${when}: ${sent} frames were sent, the driver's program saw ${seen}`);
  }

  /** Counting begins anew: what was counted before is lost, for a reason that the test knows and names. */
  recount(reason: string, now: Ours): void {
    this.mark(reason);
    this.#anew = ` (counted anew: ${reason})`;
    this.#before = now;
    this.#seen = this.#dropped = this.#unsure = 0;
    this.#generic = this.#last?.mode === 'generic';
  }

  /** Compares; `ours` is asked again while frames may be on their way. Returns what does not agree, in words. */
  async compare(ours: () => Promise<Ours>): Promise<string[]> {
    for (const deadline = Date.now() + this.patienceMs; ;) {
      this.mark('at the end');
      const now = await ours();
      const found = [...this.#found, ...this.#differences(now)];
      if (found.length === 0 || this.#found.length > 0 || Date.now() > deadline) return found;
      await new Promise((done) => setTimeout(done, 50));
    }
  }

  #differences(now: Ours): string[] {
    const seen = Number(now.seen) - Number(this.#before.seen);
    const denied = Number(now.denied) - Number(this.#before.denied);
    const who = this.#generic ? 'the driver and the generic hook' : 'the driver';
    if (seen < this.#seen || seen > this.#seen + this.#unsure)
      return [`${who} saw ${this.#seen} frames, sluice counted ${seen}${this.#anew}`];
    if (!this.#generic && denied !== this.#dropped)
      return [`${who} dropped or answered ${this.#dropped} frames, sluice counted ${denied} as denied${this.#anew}`];
    return [];
  }

  /** A reading, after a while where frames that were sent have not been seen yet: some may lie in a queue, at rest. */
  #settled(): Reading {
    for (let look = 1; ; look++) {
      const now = this.#read();
      const begin = this.#anchor;
      const comparable = begin?.ifindex === now.ifindex && now.mode === 'native' && now.quiet;
      if (!comparable || now.sent - begin.sent === now.seen - begin.seen || look === LOOKS) return now;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
    }
  }

  /** Reads until nothing changes between two readings, a few times at most. */
  #read(): Reading {
    for (let i = 1; ; i++) {
      const before = this.#more();
      const reading = this.#readTwice();
      // What an injector sends does not end by itself.
      if (reading.quiet || i === READINGS || this.#more() !== before) return reading;
    }
  }

  /** One process for all of it: a test takes hundreds of readings. */
  #readTwice(): Reading {
    const { namespace, link } = this.filtered;
    const figures = `tc -n '${this.peer.namespace.name}' -json -s qdisc show dev '${this.peer.link}'; echo
      nsenter --net='${namespace.path}' ethtool -S '${link}'; echo ---`;
    const script = `{ ${figures}\n${figures}\nip -n '${namespace.name}' -json link show dev '${link}'; } 2>&1`;
    const before = this.#more();
    const [first, second, device] = must(['sh', '-c', script + ' || true']).split('---\n');
    const more = this.#more();
    const quiet = first === second && before === more;
    if (!device.startsWith('[')) {
      // The link is gone: what it counted is known up to the reading before.
      const { sent = 0, seen = 0, dropped = 0 } = this.#last ?? {};
      return { sent, seen, dropped, ifindex: 0, mode: null, quiet };
    }
    const [{ ifindex, xdp }] = JSON.parse(device) as [{ ifindex: number; xdp?: { mode: number } }];
    const [queue] = JSON.parse(second.slice(0, second.indexOf('\n'))) as [{ packets: number }];
    const { packets, drops, tx, txErrors } = parseDriverCounters(second);
    const mode = xdp === undefined ? null : xdp.mode === XDP_ATTACHED_DRV ? 'native' : 'generic';
    return { sent: queue.packets + more, seen: packets, dropped: drops + tx + txErrors, ifindex, mode, quiet };
  }
}
