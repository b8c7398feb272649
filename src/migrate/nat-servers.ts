/** NAT table → servers that a ruleset could have, and where the servers of a ruleset and the NAT table differ. */
import type { PortRange } from '../model/port-range';
import { formatPrefix, type Prefix, prefixCovers } from '../model/prefix';
import { PROTOCOL } from '../model/protocol';
import type { Server } from '../model/ruleset';
import { normalizeRanges } from '../parse/port';
import type { NatRule } from './nat-rule';

const ALL_PORTS: PortRange = { first: 1, last: 65_535 };
const SSH_PORT = 22;

/** Ports of one address that go on to one target. */
export interface Forwarded {
  readonly address: Prefix;
  /** Ascending and apart; `whole`: all ports, and all other protocols. */
  readonly ports: readonly PortRange[];
  readonly whole: boolean;
  readonly target: string;
  /** The translations that bring it about, in the table's order. */
  readonly rules: readonly NatRule[];
}

/** Two translations of one address and port: TCP goes elsewhere than UDP, and a server owns both. */
export interface SplitPort {
  readonly address: Prefix;
  readonly ports: PortRange;
  readonly rules: readonly [NatRule, NatRule];
}

/** A server that the NAT table suggests. */
export interface ProposedServer {
  readonly name: string;
  readonly addresses: readonly Prefix[];
  /** Left out: all that goes to the addresses. */
  readonly ports?: readonly PortRange[];
  readonly target: string;
  /** Ports that go on to port 22. */
  readonly sshPorts: readonly number[];
  readonly rules: readonly NatRule[];
}

/** A difference between a ruleset's servers and the NAT table. */
export type NatDrift =
  | {
      readonly kind: 'unowned';
      readonly address: Prefix;
      readonly ports: readonly PortRange[];
      readonly target: string;
    }
  | {
      readonly kind: 'elsewhere';
      readonly server: string;
      readonly address: Prefix;
      readonly ports: readonly PortRange[];
      readonly target: string;
      readonly expected: string;
    }
  | {
      readonly kind: 'nowhere';
      readonly server: string;
      readonly address: Prefix;
      readonly ports: readonly PortRange[];
      readonly expected: string;
    };

/** What is known of one address: which rule has which ports. */
interface Claims {
  readonly address: Prefix;
  readonly ranges: { readonly range: PortRange; readonly by: NatRule }[];
  readonly rules: NatRule[];
}

/** What goes where, the first translation deciding. `own`: the addresses of this machine, or of one of its devices. */
export function forwardedBy(
  rules: readonly NatRule[],
  own: (device?: string) => readonly Prefix[],
): { forwarded: Forwarded[]; split: SplitPort[] } {
  const claims = new Map<string, Claims>();
  const split: SplitPort[] = [];
  for (const rule of rules) {
    const addresses = (rule.to === 'own' ? own(rule.device) : rule.to).filter(({ family }) => family === rule.family);
    for (const address of addresses) {
      const key = formatPrefix(address);
      const claimed = claims.get(key) ?? { address, ranges: [], rules: [] };
      claims.set(key, claimed);
      let left = [...(rule.ports ?? [ALL_PORTS])];
      for (const { range, by } of claimed.ranges) {
        if (by.target !== rule.target && !by.protocols.some((number) => rule.protocols.includes(number)))
          for (const ports of left.flatMap((one) => commonRange(one, range)))
            split.push({ address, ports, rules: [by, rule] });
        left = left.flatMap((ports) => without(ports, range));
      }
      claimed.ranges.push(...left.map((range) => ({ range, by: rule })));
      claimed.rules.push(rule);
    }
  }
  const forwarded = [...claims.values()].flatMap(({ address, ranges, rules: all }) =>
    [...new Set(ranges.map(({ by }) => by.target))].map((target): Forwarded => {
      const mine = ranges.filter(({ by }) => by.target === target);
      const ports = joined(mine.map(({ range }) => range));
      const whole = mine.some(({ by }) => by.ports === undefined) && sameRange(ports[0], ALL_PORTS);
      return { address, ports, whole, target, rules: all.filter((rule) => rule.target === target) };
    }),
  );
  return { forwarded, split };
}

/** The same without what servers own. */
export function unownedOf(forwarded: readonly Forwarded[], servers: readonly Server[]): Forwarded[] {
  return forwarded.flatMap((one) => {
    const ports = servers
      .filter((server) => holds(server, one.address))
      .flatMap((server) => server.ports ?? [ALL_PORTS])
      .reduce((left, own) => left.flatMap((range) => without(range, own)), [...one.ports]);
    return ports.length === 0
      ? []
      : [{ ...one, ports, whole: one.whole && ports.length === 1 && sameRange(ports[0], ALL_PORTS) }];
  });
}

function holds({ addresses }: Server, address: Prefix): boolean {
  return addresses.some((own) => own.family === address.family && prefixCovers(own, address));
}

/** One server for each target; several where its addresses have other ports. Names are not among `taken`. */
export function proposeServers(forwarded: readonly Forwarded[], taken: ReadonlySet<string>): ProposedServer[] {
  const groups = new Map<string, Forwarded[]>();
  for (const one of forwarded) {
    const key = JSON.stringify([one.target, one.whole, one.ports]);
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  const names = new Set(taken);
  return [...groups.values()].map((group) => {
    const [{ target, ports, whole }] = group;
    const all = [...new Set(group.flatMap((one) => one.rules))];
    const rules = whole ? all : all.flatMap((rule) => within(rule, ports));
    const sshPorts = new Set(rules.flatMap((rule) => sshPortOf(rule) ?? []));
    return {
      name: freshName(`server-${target.replace(/[.:]+/g, '-').replace(/-$/, '')}`, names),
      addresses: group.map(({ address }) => address),
      ...(!whole && { ports }),
      target,
      sshPorts: [...sshPorts].sort((a, b) => a - b),
      rules,
    };
  });
}

/** Where what is translated and the servers' addresses, ports and targets differ. */
export function findNatDrift(forwarded: readonly Forwarded[], servers: readonly Server[]): NatDrift[] {
  const drift: NatDrift[] = [];
  for (const { address, ports, target } of forwarded) {
    for (const server of servers.filter((one) => holds(one, address))) {
      if (server.target === undefined || server.target === target || !isOfFamily(server.target, address)) continue;
      const own = server.ports ?? [ALL_PORTS];
      const common = ports.flatMap((range) => own.flatMap((one) => commonRange(range, one)));
      if (common.length > 0)
        drift.push({ kind: 'elsewhere', server: server.name, address, ports: common, target, expected: server.target });
    }
  }
  for (const { address, ports, target } of unownedOf(forwarded, servers))
    drift.push({ kind: 'unowned', address, ports, target });
  for (const server of servers) {
    const { name, addresses, ports = [ALL_PORTS], target } = server;
    if (target === undefined) continue;
    for (const address of addresses.filter((own) => isOfFamily(target, own))) {
      // A part of its ports that leads nowhere is the owner's to use later; what goes elsewhere was told above.
      const isMet = (one: Forwarded): boolean =>
        one.address.family === address.family &&
        (prefixCovers(one.address, address) || prefixCovers(address, one.address)) &&
        one.ports.some((range) => ports.some((own) => commonRange(range, own).length > 0));
      if (!forwarded.some(isMet)) drift.push({ kind: 'nowhere', server: name, address, ports, expected: target });
    }
  }
  return drift;
}

/** What the rule says of these ports; nothing where it is about others. */
function within(rule: NatRule, ports: readonly PortRange[]): NatRule[] {
  const common = (rule.ports ?? [ALL_PORTS]).flatMap((range) => ports.flatMap((own) => commonRange(range, own)));
  return common.length === 0 ? [] : [{ ...rule, ports: common }];
}

function isOfFamily(target: string, { family }: Prefix): boolean {
  return target.includes(':') === (family === 6);
}

/** The port by which this rule leads to the SSH server behind. */
function sshPortOf({ protocols, ports, targetPort }: NatRule): number | undefined {
  if (ports?.length !== 1 || ports[0].first !== ports[0].last || !protocols.includes(PROTOCOL.TCP)) return undefined;
  return (targetPort ?? ports[0].first) === SSH_PORT ? ports[0].first : undefined;
}

function freshName(wanted: string, names: Set<string>): string {
  let name = wanted;
  for (let n = 2; names.has(name); n++) name = `${wanted}-${n}`;
  names.add(name);
  return name;
}

function sameRange(a: PortRange, b: PortRange): boolean {
  return a.first === b.first && a.last === b.last;
}

function commonRange(a: PortRange, b: PortRange): PortRange[] {
  const common = { first: Math.max(a.first, b.first), last: Math.min(a.last, b.last) };
  return common.first <= common.last ? [common] : [];
}

function without(range: PortRange, taken: PortRange): PortRange[] {
  if (commonRange(range, taken).length === 0) return [range];
  return [
    { first: range.first, last: taken.first - 1 },
    { first: taken.last + 1, last: range.last },
  ].filter(({ first, last }) => first <= last);
}

/** Ascending; neighbours become one. */
function joined(ranges: readonly PortRange[]): PortRange[] {
  const list: PortRange[] = [];
  for (const range of normalizeRanges(ranges)) {
    const before = list.at(-1);
    if (before && before.last + 1 === range.first) list[list.length - 1] = { first: before.first, last: range.last };
    else list.push(range);
  }
  return list;
}
