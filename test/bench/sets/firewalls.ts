/** Shapes that are harder than ClassBench's: wildcards, mixed directions, no shared port range, crossing ranges. */
import { PROTOCOL } from '../../../src/model/protocol';
import { ALL_PORTS, type Bounds, type PlainRule, prefix4 } from '../../support/generate/plain-rule';
import { Random } from '../../support/generate/random';

const POPULAR = [22, 25, 53, 80, 123, 161, 389, 443, 445, 993, 1433, 1521, 3306, 3389, 5432, 6379, 8080, 8443];
const ANYWHERE = prefix4(0, 0);

function one(port: number): Bounds {
  return [port, port];
}

function address(random: Random): number {
  return ((random.between(1, 223) << 24) | (random.word() & 0xffffff)) >>> 0;
}

function actionOf(random: Random): PlainRule['action'] {
  return random.chance(0.5) ? 'allow' : 'deny';
}

/** Draws rules until `size` of them are different. */
function different(size: number, draw: (index: number) => PlainRule): PlainRule[] {
  const seen = new Set<string>();
  const rules: PlainRule[] = [];
  while (rules.length < size) {
    const rule = draw(rules.length);
    const { from, to, fromPorts, toPorts, protocol } = rule;
    const key = [from.words[0], from.length, to.words[0], to.length, ...fromPorts, ...toPorts, protocol].join();
    if (seen.has(key)) continue;
    seen.add(key);
    rules.push(rule);
  }
  return rules;
}

/** Two thirds of the fields are wild: from anywhere to a host's port, from a network to anywhere, a port for all. */
export function wildcardRules(size: number, seed = 1): PlainRule[] {
  const random = new Random(seed + size);
  return different(size, () => {
    const port = random.chance(0.5) ? random.pick(POPULAR) : random.between(1, 65535);
    const kind = random.below(20);
    const common = { protocol: random.pick([PROTOCOL.TCP, PROTOCOL.UDP, null]), action: actionOf(random) };
    const fromPorts = ALL_PORTS;
    if (kind < 10)
      return { ...common, from: ANYWHERE, to: prefix4(address(random), 32), fromPorts, toPorts: one(port) };
    if (kind < 14)
      return {
        ...common,
        from: ANYWHERE,
        to: prefix4(address(random), random.between(8, 28)),
        fromPorts,
        toPorts: ALL_PORTS,
      };
    if (kind < 19)
      return {
        ...common,
        from: prefix4(address(random), random.between(8, 32)),
        to: ANYWHERE,
        fromPorts,
        toPorts: ALL_PORTS,
      };
    return { ...common, from: ANYWHERE, to: ANYWHERE, fromPorts, toPorts: one(random.between(1, 65535)) };
  });
}

/** Any-source rules and any-destination rules in free order: every one of the first crosses every one of the second. */
export function mixedRules(size: number, seed = 2): PlainRule[] {
  const random = new Random(seed + size);
  return different(size, () => {
    const network = prefix4(address(random), random.pick([16, 20, 24, 28, 32]));
    const source = random.chance(0.5);
    return {
      from: source ? network : ANYWHERE,
      to: source ? ANYWHERE : network,
      fromPorts: ALL_PORTS,
      toPorts: random.chance(0.3) ? ALL_PORTS : one(random.pick(POPULAR)),
      protocol: random.pick([PROTOCOL.TCP, PROTOCOL.UDP]),
      action: actionOf(random),
    };
  });
}

/** Every rule has a source port range and a destination port range that no other rule has. */
export function portRangeRules(size: number, seed = 3): PlainRule[] {
  const random = new Random(seed + size);
  const range = (): Bounds => {
    const first = random.between(1, 65000);
    return [first, Math.min(65535, first + random.between(1, 2000))];
  };
  return different(size, () => ({
    from: prefix4(address(random), random.pick([8, 12, 16, 24])),
    to: prefix4(0x0a000000 | random.below(1 << 16), random.pick([24, 28, 32])),
    fromPorts: random.chance(0.5) ? range() : ALL_PORTS,
    toPorts: range(),
    protocol: random.pick([PROTOCOL.TCP, PROTOCOL.UDP]),
    action: actionOf(random),
  }));
}

/** Wide in every field and never nested: each cut of a decision tree goes through most of the rules. */
export function crossingRules(size: number, seed = 4): PlainRule[] {
  const random = new Random(seed + size);
  const wide = (): Bounds => {
    const first = random.between(1, 40000);
    return [first, first + random.between(8000, 25000)];
  };
  return different(size, () => ({
    from: prefix4(random.word(), random.between(1, 8)),
    to: prefix4(random.word(), random.between(1, 8)),
    fromPorts: wide(),
    toPorts: wide(),
    protocol: random.pick([PROTOCOL.TCP, PROTOCOL.UDP]),
    action: actionOf(random),
  }));
}
