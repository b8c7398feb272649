/** Rule sets with the published characteristics of ClassBench's seeds, of any size, from a seed of our own. */
import { PROTOCOL } from '../../../src/model/protocol';
import { CLASSBENCH_PROFILES, type ClassbenchProfile, type PortClass } from './classbench-profiles';
import { ALL_PORTS, type Bounds, type PlainRule, prefix4 } from './plain-rule';
import { Random } from './random';

/** Ports that real rules name most. */
const POPULAR = [80, 443, 22, 25, 53, 123, 161, 1521, 1433, 1526, 514, 69, 21, 23, 110, 137, 139, 389, 445, 3389, 8080];
const LOW: Bounds = [1, 1023];
const HIGH: Bounds = [1024, 65535];
/** Draws of a rule that is there already before an address is made anew. */
const ATTEMPTS = 8;
/** Bits by which the order of rules may differ from that of how much they name. */
const JITTER = 20;

/** A list of rules in first-match order, all different; the same profile, size and seed give the same list. */
export function classbenchRules(shape: string, size: number, seed = 1): PlainRule[] {
  const profile = CLASSBENCH_PROFILES[shape];
  const random = new Random(seed * 0x10001 + Object.keys(CLASSBENCH_PROFILES).indexOf(shape) * 0x101 + size);
  const lengths = new Weighted(random, profile.lengths);
  const ports = new PortMaker(random, profile);
  const protocols = new Weighted(random, profile.protocols);
  // Larger sets share less: a hundred thousand rules are made for thousands of hosts.
  const fade = Math.min(1, Math.max(0.15, 1 - 0.4 * Math.log10(size / 1000)));
  const sources = new AddressMaker(random, profile.sharing[0] * fade, profile.nesting);
  const destinations = new AddressMaker(random, profile.sharing[1] * fade, profile.nesting);
  const seen = new Set<string>();
  const rules: PlainRule[] = [];
  for (let attempt = 0; rules.length < size; attempt++) {
    const fresh = attempt >= ATTEMPTS;
    const [source, destination] = lengths.draw().split('/').map(Number);
    const everywhere = source === 0 && destination === 0;
    let named = protocols.draw();
    // from anywhere to anywhere names a service: otherwise nothing behind it would count
    while (everywhere && named === 'any') named = protocols.draw();
    const protocol = named === 'any' ? null : Number(named);
    const carriesPorts = protocol === PROTOCOL.TCP || protocol === PROTOCOL.UDP;
    let [fromPorts, toPorts] = carriesPorts ? ports.draw() : [ALL_PORTS, ALL_PORTS];
    while (carriesPorts && everywhere && fromPorts === ALL_PORTS && toPorts === ALL_PORTS) {
      [fromPorts, toPorts] = ports.draw();
    }
    const from = sources.draw(around(random, source), fresh);
    const to = destinations.draw(around(random, destination), fresh);
    const key =
      [from, to].map(({ words, length }) => `${words[0]}/${length}`).join() +
      `|${fromPorts.join()}|${toPorts.join()}|${named}`;
    if (seen.has(key)) continue;
    seen.add(key);
    rules.push({ from, to, fromPorts, toPorts, protocol, action: random.chance(0.5) ? 'allow' : 'deny' });
    attempt = -1;
  }
  return specificFirst(random, rules);
}

/** Narrow rules mostly stand before wide ones, as in lists that somebody maintains: else most would never decide. */
function specificFirst(random: Random, rules: readonly PlainRule[]): PlainRule[] {
  const width = (ports: Bounds): number => 16 - Math.log2(ports[1] - ports[0] + 1);
  return rules
    .map((rule) => {
      const { from, to, fromPorts, toPorts, protocol } = rule;
      const named = from.length + to.length + (width(fromPorts) + width(toPorts)) / 2 + (protocol === null ? 0 : 4);
      return { rule, named: named + (random.word() / 0x1_0000_0000) * JITTER };
    })
    .sort((a, b) => b.named - a.named)
    .map(({ rule }) => rule);
}

/** Lengths next to the round one: /24 also stands for /22 to /26. */
function around(random: Random, length: number): number {
  if (length === 0 || length === 32) return length;
  return random.chance(0.5) ? length : Math.min(31, Math.max(4, length + random.between(-2, 2)));
}

/** Draws keys by their shares. */
class Weighted {
  private readonly keys: readonly string[];
  private readonly bounds: readonly number[];

  constructor(
    private readonly random: Random,
    shares: Readonly<Record<string, number>>,
  ) {
    this.keys = Object.keys(shares);
    let sum = 0;
    this.bounds = Object.values(shares).map((share) => (sum += share));
  }

  draw(): string {
    const at = (this.random.word() / 0x1_0000_0000) * this.bounds[this.bounds.length - 1];
    return this.keys[this.bounds.findIndex((bound) => at < bound)];
  }
}

class PortMaker {
  private readonly pairs: Weighted;
  /** Arbitrary ranges repeat, as services do. */
  private readonly ranges: Bounds[] = [];

  constructor(
    private readonly random: Random,
    profile: ClassbenchProfile,
  ) {
    this.pairs = new Weighted(random, profile.ports);
  }

  draw(): [Bounds, Bounds] {
    const [source, destination] = this.pairs.draw().split('/') as [PortClass, PortClass];
    return [this.bounds(source), this.bounds(destination)];
  }

  private bounds(kind: PortClass): Bounds {
    const { random } = this;
    switch (kind) {
      case 'WC':
        return ALL_PORTS;
      case 'HI':
        return HIGH;
      case 'LO':
        return LOW;
      case 'AR':
        return this.range();
      case 'EM': {
        const port = random.chance(0.7) ? random.pick(POPULAR) : random.between(1024, 30000);
        return [port, port];
      }
    }
  }

  private range(): Bounds {
    const { random, ranges } = this;
    if (ranges.length > 0 && random.chance(0.6)) return random.pick(ranges);
    const first = random.between(20, 60000);
    const width = random.pick([1, 5, 10, 49, 50, 99, 500, 5000]);
    const made: Bounds = random.chance(0.15)
      ? [random.between(1025, 5000), 65535]
      : [first, Math.min(65535, first + width)];
    ranges.push(made);
    return made;
  }
}

/** Prefixes that repeat and nest as often as a profile says. */
class AddressMaker {
  private readonly byLength = new Map<number, number[]>();
  private readonly all: { address: number; length: number }[] = [];

  constructor(
    private readonly random: Random,
    private readonly sharing: number,
    private readonly nesting: number,
  ) {}

  draw(length: number, fresh: boolean): PlainRule['from'] {
    const { random } = this;
    if (length === 0) return prefix4(0, 0);
    let known = this.byLength.get(length);
    if (!known) this.byLength.set(length, (known = []));
    if (!fresh && known.length > 0 && random.chance(this.sharing)) return prefix4(random.pick(known), length);
    const made = prefix4(this.fresh(length), length);
    known.push(made.words[0]);
    this.all.push({ address: made.words[0], length });
    return made;
  }

  /** An address below an older prefix, or one in the networks of unicast addresses. */
  private fresh(length: number): number {
    const { random } = this;
    const bits = random.word();
    if (this.all.length > 0 && random.chance(this.nesting)) {
      for (let attempt = 0; attempt < 4; attempt++) {
        const outer = random.pick(this.all);
        if (outer.length >= length) continue;
        const mask = (0xffffffff << (32 - outer.length)) >>> 0;
        return ((outer.address & mask) | (bits & ~mask)) >>> 0;
      }
    }
    return ((random.between(1, 223) << 24) | (bits & 0xffffff)) >>> 0;
  }
}
