import type { AddressMatch } from '../model/match';
import { ANY } from '../model/match';
import type { Prefix } from '../model/prefix';
import { BUILTIN_SERVICES, DEFAULT_SSH_PORTS, type Service } from './services';

/** What names in a row stand for. */
export interface Names {
  readonly sets: ReadonlyMap<string, AddressMatch>;
  /** Written services before those of the table; never `ssh`. */
  readonly services: ReadonlyMap<string, Service>;
  /** What the service `ssh` means in this section. */
  readonly sshPorts: readonly number[];
  /** Joined lists by their members, so that rows that name the same sets share one list. */
  readonly joined: Map<string, readonly Prefix[]>;
  /** Lists of one address by its text, shared likewise. */
  readonly addresses: Map<string, readonly Prefix[]>;
}

/** Names of one section; everything left out is as in an empty ruleset. */
export function makeNames(parts: Partial<Omit<Names, 'joined' | 'addresses'>> = {}): Names {
  return {
    sets: parts.sets ?? new Map(),
    services: parts.services ?? BUILTIN_SERVICES,
    sshPorts: parts.sshPorts ?? DEFAULT_SSH_PORTS,
    joined: new Map(),
    addresses: new Map(),
  };
}

/** Words that the grammar of rows needs; no set or service can have them. */
const RESERVED = new Set(
  (
    'allow deny reject limit in out on log log-all until me proto from to port app id comment family icmp-type type code any all anywhere ' +
    'none off true false yes no auto file incoming outgoing inbound outbound guard servers ssh'
  ).split(' '),
);

const NAME = /^[a-z][a-z0-9_-]{0,63}$/i;

/** Why the text cannot name a set or a service, or undefined where it can. */
export function nameProblem(name: string): string | undefined {
  if (!NAME.test(name)) return 'a name has 1–64 letters, digits, "-" and "_" and begins with a letter';
  if (RESERVED.has(name.toLowerCase())) return 'it is a word of the rule grammar';
  return undefined;
}

/** The list a set stands for; undefined where no set has that name. */
export function lookUpSet(names: Names, name: string): readonly Prefix[] | undefined {
  const found = names.sets.get(name);
  return found === ANY ? [] : found;
}
