/** Whether two servers are compiled to the same block, by comparing all that compiling looks at. */
import type { Match } from '../model/match';
import { originalOf } from '../model/moved';
import type { PortRange } from '../model/port-range';
import type { Prefix } from '../model/prefix';
import type { Rule, Server } from '../model/ruleset';

/** Whether the rows, switches and default of both are the same, and written the same; where they stand may differ. */
export function isSameServer(one: Server, other: Server): boolean {
  if (one === other || originalOf(one) === originalOf(other)) return true;
  return (
    one.name === other.name &&
    one.default === other.default &&
    one.udp === other.udp &&
    one.ssh?.from === other.ssh?.from &&
    isSameList(one.ssh?.ports, other.ssh?.ports, Object.is) &&
    isSameTerritory(one, other) &&
    isSameList(one.rules, other.rules, isSameRule)
  );
}

/** Whether both own the same packets. */
export function isSameTerritory(one: Server, other: Server): boolean {
  return isSameList(one.addresses, other.addresses, isSamePrefix) && isSameList(one.ports, other.ports, isSameRange);
}

type List<Item> = readonly Item[] | string | undefined;

/** Lists that are one object are not looked through: rows that name the same set share one, which may be long. */
function isSameList<Item>(one: List<Item>, other: List<Item>, isSame: (a: Item, b: Item) => boolean): boolean {
  if (one === other) return true;
  if (typeof one !== 'object' || typeof other !== 'object' || one.length !== other.length) return false;
  for (let i = 0; i < one.length; i++) if (!isSame(one[i], other[i])) return false;
  return true;
}

function isSameRule(one: Rule, other: Rule): boolean {
  if (one === other) return true;
  return (
    one.id === other.id &&
    one.action === other.action &&
    one.enabled === other.enabled &&
    one.log === other.log &&
    one.text === other.text &&
    one.note === other.note &&
    isSameLimit(one.limit, other.limit) &&
    isSameMatch(one.match, other.match)
  );
}

function isSameLimit(one: Rule['limit'], other: Rule['limit']): boolean {
  if (one === other) return true;
  if (!one || !other) return false;
  return (
    one.count === other.count &&
    one.windowMs === other.windowMs &&
    one.verdict === other.verdict &&
    one.prefix[4] === other.prefix[4] &&
    one.prefix[6] === other.prefix[6]
  );
}

function isSameMatch(one: Match, other: Match): boolean {
  return (
    one === other ||
    (one.family === other.family &&
      isSameList(one.protocols, other.protocols, Object.is) &&
      isSameList(one.from, other.from, isSamePrefix) &&
      isSameList(one.to, other.to, isSamePrefix) &&
      isSameList(one.fromPorts, other.fromPorts, isSameRange) &&
      isSameList(one.toPorts, other.toPorts, isSameRange) &&
      isSameList(one.icmpTypes, other.icmpTypes, (a, b) => a.type === b.type && a.code === b.code))
  );
}

function isSamePrefix(one: Prefix, other: Prefix): boolean {
  if (one === other) return true;
  if (one.family !== other.family || one.length !== other.length) return false;
  for (let i = 0; i < one.words.length; i++) if (one.words[i] !== other.words[i]) return false;
  return true;
}

function isSameRange(one: PortRange, other: PortRange): boolean {
  return one.first === other.first && one.last === other.last;
}
