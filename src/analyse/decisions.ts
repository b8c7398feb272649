/**
 * Which row decides which packets of a region: tiers 7 to 9 of a section by regions instead of by packets. The
 * order is that of `evaluateSection`: rows, SSH row, default.
 */
import { MATCH_ALL } from '../model/match';
import type { Match } from '../model/match';
import { PROTOCOL } from '../model/protocol';
import { type Rule, type Ruleset, type Section, type Server, sshVerdict } from '../model/ruleset';
import { territoryOf } from '../model/server';
import type { Verdict } from '../model/verdict';
import type { Budget } from './budget';
import { type Cube, intersectCubes, intersectRegions, type Region, subtractCube, weightOf } from './cube';
import { CubeTable } from './cube-table';
import { Space } from './space';

/**
 * What decides a packet in tiers 6 to 9. `number`: of the row, as `status` and verbs have it; in the guard from 1.
 * `server`: whose it is, where the list holds rows of servers too (`incomingRegions`).
 */
export type Decider = { readonly server?: string } & (
  | { readonly kind: 'rule'; readonly rule: Rule; readonly number: number }
  | { readonly kind: 'udp-off' }
  | { readonly kind: 'ssh' }
  | { readonly kind: 'default' }
);

/** A row of a section that can decide: an enabled rule, the SSH row, the UDP switch, the default of a server. */
export interface Row {
  readonly decider: Decider;
  readonly verdict: Verdict;
  /** Empty for a rule that matches no packet. */
  readonly region: Region;
}

/** A section made ready for questions about regions. */
export interface SectionRegions {
  readonly section: Section;
  /** Number of its first row: those of outbound go on from inbound's. */
  readonly first: number;
  readonly space: Space;
  /** In the order in which they are tried. */
  readonly rows: readonly Row[];
  /** Their cubes; made when somebody asks. */
  readonly table: CubeTable;
}

/** The same section with these rows instead. */
export function withRows(
  { section, first, space }: Omit<SectionRegions, 'rows' | 'table'>,
  rows: readonly Row[],
): SectionRegions {
  let table: CubeTable | undefined;
  return {
    ...{ section, first, space, rows },
    get table() {
      return (table ??= CubeTable.of(rows.map(({ region }) => region)));
    },
  };
}

/** Packets of one region that the same row decides. */
export interface Decided {
  readonly decider: Decider;
  readonly verdict: Verdict;
  readonly cube: Cube;
}

/**
 * The region of a ruleset's section in a space that also tells apart the packets of `more`; or in a space that is
 * there, which must know the matches of all rows.
 */
export function sectionRegions(section: Section, more: Iterable<Match> | Space = [], first = 1): SectionRegions {
  const sshDoes = sshVerdict(section);
  const ssh: Match | null =
    section.ssh && sshDoes
      ? {
          ...MATCH_ALL,
          protocols: [PROTOCOL.TCP],
          toPorts: section.ssh.ports.map((port) => ({ first: port, last: port })),
        }
      : null;
  const space = more instanceof Space ? more : new Space([...section.rules.map(({ match }) => match), ...more]);
  const rows: Row[] = section.rules.flatMap((rule, i) => {
    if (!rule.enabled) return [];
    const verdict: Verdict = rule.action === 'limit' ? 'allow' : rule.action;
    return [{ decider: { kind: 'rule', rule, number: first + i }, verdict, region: space.regionOf(rule.match) }];
  });
  if (ssh && sshDoes) rows.push({ decider: { kind: 'ssh' }, verdict: sshDoes, region: space.regionOf(ssh) });
  return withRows({ section, first, space }, rows);
}

/** The packets of the UDP switch (SPEC §4). */
export const ALL_UDP: Match = { ...MATCH_ALL, protocols: [PROTOCOL.UDP] };

/** With the section's UDP switch above its rows, where that is off. The space must know `ALL_UDP`. */
export function withUdpSwitch(regions: SectionRegions): SectionRegions {
  if (regions.section.udp !== 'off') return regions;
  const off: Row = { decider: { kind: 'udp-off' }, verdict: 'deny', region: regions.space.regionOf(ALL_UDP) };
  return withRows(regions, [off, ...regions.rows]);
}

/**
 * Tiers 6 to 9 of all that comes in, as one list: of each server its rows and its default among the packets that it
 * owns, then inbound's. The space must know the matches of `incomingMatches`.
 */
export function incomingRegions(
  { inbound, servers = [] }: Pick<Ruleset, 'inbound' | 'servers'>,
  space: Space,
): SectionRegions {
  const own = withUdpSwitch(sectionRegions(inbound, space));
  if (servers.length === 0) return own;
  return withRows(own, [...servers.flatMap((server) => rowsOfServer(server, space)), ...own.rows]);
}

/** All matches that `incomingRegions` asks the space for. */
export function incomingMatches({ inbound, servers = [] }: Pick<Ruleset, 'inbound' | 'servers'>): Match[] {
  const written = [inbound, ...servers].flatMap(({ rules }) => rules.map(({ match }) => match));
  return [...written, ...servers.map(territoryOf), ALL_UDP];
}

function rowsOfServer(server: Server, space: Space): Row[] {
  const owned = space.regionOf(territoryOf(server));
  const { rows } = withUdpSwitch(sectionRegions(server, space));
  const of = { server: server.name };
  return [
    ...rows.map((row) => ({
      ...row,
      decider: { ...row.decider, ...of },
      region: intersectRegions(row.region, owned),
    })),
    { decider: { kind: 'default', ...of }, verdict: server.default, region: owned },
  ];
}

/**
 * Splits a region by what decides it, lazily and depth first, so that a caller who looks for one packet stops
 * early. Ends early when the budget is spent: look at `budget.isSpent` before trusting that there was no more.
 */
export function* decide(
  { rows, table, section }: Pick<SectionRegions, 'rows' | 'table' | 'section'>,
  region: Region,
  budget: Budget,
): Generator<Decided> {
  const stack = region.map((cube) => ({ cube, next: 0 }));
  for (let item = stack.pop(); item; item = stack.pop()) {
    const at = table.firstMeeting(item.cube, item.next);
    const compared = (at < 0 ? table.entries.length : at) - item.next;
    if (!budget.takeSteps(compared + weightOf(item.cube))) return;
    if (at < 0) {
      yield { decider: { kind: 'default' }, verdict: section.default, cube: item.cube };
      continue;
    }
    const { owner, cube } = table.entries[at];
    const { decider, verdict } = rows[owner];
    yield { decider, verdict, cube: intersectCubes(item.cube, cube)! };
    const pieces = subtractCube(item.cube, cube);
    if (!budget.takePieces(pieces.length)) return;
    for (const piece of pieces) stack.push({ cube: piece, next: at + 1 });
  }
}

/** What a finding calls a row of the section: those of the guard have numbers of their own, which no verb takes. */
export function rowNoun({ name }: Pick<Section, 'name'>): string {
  return name === 'guard' ? 'guard row' : isServer(name) ? `${name} rule` : 'rule';
}

/** Whether the section of this name is a server. */
export function isServer(name: string): boolean {
  return !['inbound', 'outbound', 'guard'].includes(name);
}

/** What a verb needs behind it so that it is about the section of this name. */
export function optionFor(name: string): string {
  return isServer(name) ? ` --server ${name}` : '';
}

/** How a row is taken out. */
export function deletionOf(section: Section, number: number): string {
  const { name } = section;
  if (name === 'guard') return `take guard row ${number} out`;
  return `sluice delete ${number}${optionFor(name)}`;
}

/** What a finding calls the decider: `rule 3`, `the SSH row`, `the default`. */
export function nameOf(decider: Decider): string {
  const of = decider.server === undefined ? '' : ` of ${decider.server}`;
  return bareNameOf(decider) + of;
}

function bareNameOf(decider: Decider): string {
  switch (decider.kind) {
    case 'rule':
      return `rule ${decider.number}`;
    case 'udp-off':
      return 'the UDP switch, which is off,';
    case 'ssh':
      return 'the SSH row';
    case 'default':
      return 'the default';
  }
}
