/** The lints of one server: those of any section among the packets that it owns, and rows that reach beyond them. */
import type { Diagnostic } from '../diagnostics/diagnostic';
import { formatAddressMatch } from '../model/format-match';
import { ANY } from '../model/match';
import { formatPorts, type PortRange } from '../model/port-range';
import { prefixCovers } from '../model/prefix';
import type { Rule, Ruleset, Server } from '../model/ruleset';
import { narrowingTo } from '../model/server';
import { deletionOf, rowNoun, sectionRegions, type SectionRegions } from './decisions';
import { lintExposure } from './exposure';
import { lintFamilies } from './families';
import { lintIcmpEssentials } from './icmp-essentials';
import { lintNeverMatches } from './never-matches';
import { lintReached } from './reached';
import { lintUdpSwitch } from './udp-switch';

/** Lints a server. An error means that the ruleset must not be applied. */
export function lintServer(ruleset: Pick<Ruleset, 'icmp'>, server: Server): Diagnostic[] {
  const narrow = narrowingTo(server);
  // A row of which nothing is left keeps its number.
  const rules = server.rules.map((rule): Rule => {
    const match = narrow(rule.match);
    return match ? { ...rule, match } : { ...rule, enabled: false };
  });
  const written = sectionRegions(
    server,
    rules.map(({ match }) => match),
  );
  const owned = sectionRegions({ ...server, rules }, written.space);
  const empty = lintNeverMatches(written);
  return [
    ...empty,
    ...lintFamily(server, owned, empty),
    ...lintOutside(server, rules, new Set(empty.map(({ source }) => source.offset))),
    ...lintReached(owned),
    ...lintFamilies(written, narrow),
    ...(server.ports ? [] : lintIcmpEssentials(ruleset, owned)),
    ...lintUdpSwitch(server),
    ...lintExposure(owned),
  ];
}

/** `lint/never-matches`: rows about a family of which the server has no address. `told`: findings about rows that match nothing anywhere. */
function lintFamily(
  { addresses }: Server,
  { rows, section }: SectionRegions,
  told: readonly Diagnostic[],
): Diagnostic[] {
  const [{ family: first }] = addresses;
  if (addresses.some(({ family }) => family !== first)) return [];
  const known = new Set(told.map(({ source }) => source.offset));
  return rows.flatMap(({ decider, region }): Diagnostic[] => {
    if (decider.kind !== 'rule' || region.length > 0 || known.has(decider.rule.source.offset)) return [];
    const { rule, number } = decider;
    return [
      {
        code: 'lint/never-matches',
        severity: 'warning',
        message: `${rowNoun(section)} ${number} "${rule.text}" never matches: it is about IPv${first === 4 ? 6 : 4}, and this server has IPv${first} alone, ${formatAddressMatch(addresses)}`,
        source: rule.source,
        notes: [],
        hint: deletionOf(section, number),
      },
    ];
  });
}

/**
 * `lint/outside-server`: rows that name addresses, ports or protocols of others. An error where nothing is left of the
 * row, a warning where it reaches beyond. `empty`: where rows stand that match nothing anywhere.
 */
function lintOutside(server: Server, narrowed: readonly Rule[], empty: ReadonlySet<number>): Diagnostic[] {
  const rows = server.rules.flatMap((rule, i): Diagnostic[] => {
    const what = rule.enabled && !empty.has(rule.source.offset) ? outsideOf(server, rule) : undefined;
    if (what === undefined) return [];
    const isNothing = !narrowed[i].enabled;
    return [
      {
        code: 'lint/outside-server',
        severity: isNothing ? 'error' : 'warning',
        message: `${rowNoun(server)} ${i + 1} "${rule.text}" ${isNothing ? 'never matches' : 'reaches beyond its server'}: ${what}`,
        source: rule.source,
        notes: [],
        hint: isNothing
          ? 'a server has rows for its own packets only; those for everybody stand under guard'
          : undefined,
      },
    ];
  });
  const { ssh, ports } = server;
  const strange = ports ? (ssh?.ports ?? []).filter((port) => !isInside({ first: port, last: port }, ports)) : [];
  if (strange.length === 0) return rows;
  const message = `the SSH port of "${server.name}" is ${strange.join(', ')}, which is not this server's: ${formatPorts(ports!)}`;
  return [...rows, { code: 'lint/outside-server', severity: 'error', message, source: ssh!.source, notes: [] }];
}

/** What of a row is not the server's, in words; undefined where all is. */
function outsideOf({ addresses, ports }: Server, { match }: Rule): string | undefined {
  const { to, toPorts, protocols } = match;
  if (to !== ANY) {
    const strange = to.find((prefix) => !addresses.some((address) => prefixCovers(address, prefix)));
    if (strange)
      return `${formatAddressMatch([strange])} is not this server's, which has ${formatAddressMatch(addresses)}`;
  }
  if (!ports) return undefined;
  if (toPorts !== ANY) {
    const strange = toPorts.filter((range) => !isInside(range, ports));
    if (strange.length > 0) return `${formatPorts(strange)} is not this server's, which has ${formatPorts(ports)}`;
  }
  if (protocols !== ANY && !protocols.some((number) => number === 6 || number === 17))
    return 'a server with ports has TCP and UDP only; other protocols of its address belong to inbound';
  return undefined;
}

function isInside(range: PortRange, ports: readonly PortRange[]): boolean {
  return ports.some(({ first, last }) => first <= range.first && range.last <= last);
}
