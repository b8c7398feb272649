/** A ruleset as the entries of the section table: which rows each is made of, and what happens where none matches. */
import { SLC_ENTRY } from '../abi/layout.gen';
import { looksOnlyAtLater } from '../model/later-fragment';
import type { Rule, Ruleset, Section, Server, SshRow } from '../model/ruleset';
import type { FixedSection } from '../model/trial';
import type { Action } from '../model/verdict';
import type { Image, RankEntry, RowTier } from './image';

/** An entry of the section table. */
export interface ImageSection {
  /** Section whose rows these are, as in `section/id`; `guard` has several entries. */
  readonly name: string;
  readonly rules: readonly Rule[];
  readonly rowTier: RowTier;
  /** UDP drops before the rows. */
  readonly udp?: 'off';
  readonly ssh?: SshRow;
  /** The server whose rows these are: no packets but its own are judged by them. */
  readonly server?: Server;
  /** The entry whose rows these are, as later fragments are judged by them. */
  readonly laterOf?: number;
  /** Left out: a packet that no row matches goes on to what stands below. */
  readonly otherwise?: { readonly tier: RowTier; readonly action: Exclude<Action, 'limit'> };
}

/** Labels of the entries of every image and the tiers of their rows, in the order of `enum slc_entry`. */
const ENTRIES: readonly { readonly label: string; readonly tiers: readonly RowTier[] }[] = [
  { label: 'inbound', tiers: ['6', '7', '8', '9'] },
  { label: 'outbound', tiers: ['out 6', 'out 7'] },
  { label: 'guard, keep-reachable', tiers: ['3.1'] },
  { label: 'guard, in', tiers: ['3.3'] },
  { label: 'guard, out', tiers: ['out 3'] },
  { label: 'guard, keep-reachable, later fragments', tiers: ['3.1'] },
  { label: 'guard, in, later fragments', tiers: ['3.3'] },
  { label: 'guard, out, later fragments', tiers: ['out 3'] },
  { label: 'servers', tiers: [] },
];

/** The entries before those of servers, in the order of `enum slc_entry`; what a ruleset does not use is empty. */
export function imageSections({
  guard,
  inbound,
  outbound,
}: Pick<Ruleset, 'guard' | 'inbound' | 'outbound'>): ImageSection[] {
  const sections: ImageSection[] = [];
  const guarded = (direction: 'in' | 'out'): Rule[] => guard.rules.filter((rule) => rule.direction === direction);
  sections[SLC_ENTRY.INBOUND] = incoming(inbound);
  sections[SLC_ENTRY.OUTBOUND] = {
    name: outbound.name,
    rules: outbound.rules,
    rowTier: 'out 6',
    otherwise: { tier: 'out 7', action: outbound.default },
  };
  sections[SLC_ENTRY.KEEP_REACHABLE] = {
    name: 'guard',
    rules: guard.keepReachable,
    rowTier: '3.1',
  };
  sections[SLC_ENTRY.GUARD_IN] = { name: 'guard', rules: guarded('in'), rowTier: '3.3' };
  sections[SLC_ENTRY.GUARD_OUT] = {
    name: 'guard',
    rules: guarded('out'),
    rowTier: 'out 3',
  };
  const later = (laterOf: number): ImageSection => ({ ...sections[laterOf], laterOf });
  sections[SLC_ENTRY.KEPT_LATER] = later(SLC_ENTRY.KEEP_REACHABLE);
  sections[SLC_ENTRY.GUARD_IN_LATER] = later(SLC_ENTRY.GUARD_IN);
  sections[SLC_ENTRY.GUARD_OUT_LATER] = later(SLC_ENTRY.GUARD_OUT);
  return sections;
}

/** The entries of a section that every ruleset has, ascending. */
export function entriesOf(name: FixedSection): readonly number[] {
  const { INBOUND, OUTBOUND, KEEP_REACHABLE, GUARD_IN, GUARD_OUT } = SLC_ENTRY;
  const { KEPT_LATER, GUARD_IN_LATER, GUARD_OUT_LATER } = SLC_ENTRY;
  if (name === 'guard') return [KEEP_REACHABLE, GUARD_IN, GUARD_OUT, KEPT_LATER, GUARD_IN_LATER, GUARD_OUT_LATER];
  return [name === 'inbound' ? INBOUND : OUTBOUND];
}

/** The entry of a server. */
export function serverSection(server: Server): ImageSection {
  return { ...incoming(server), server };
}

/** Tiers 6 to 9 of a section. */
function incoming({ name, rules, udp, ssh, default: action }: Section): ImageSection {
  return { name, rules, rowTier: '7', ...(udp && { udp }), ...(ssh && { ssh }), otherwise: { tier: '9', action } };
}

/** The entry whose trees an entry has, where it needs none of its own: its later fragments show all its rows look at. */
export function sharedEntry({ laterOf, rules }: ImageSection): number | undefined {
  return laterOf !== undefined && looksOnlyAtLater(rules) ? laterOf : undefined;
}

/** Tells the entries of an image apart for a reader: `guard, in`, `server gpu-17`. */
export function sectionLabel({ sections }: Pick<Image, 'sections'>, index: number): string {
  return index < ENTRIES.length ? ENTRIES[index].label : `server ${sections[index]}`;
}

/** Ranks by entry of the image's section table, ascending; of thousands of sections each rank is looked at once. */
export function ranksByEntry({ ranks, sections }: Pick<Image, 'ranks' | 'sections'>): RankEntry[][] {
  const own = new Map<string, RankEntry[]>();
  for (const entry of ranks) {
    const known = own.get(entry.section);
    if (known) known.push(entry);
    else own.set(entry.section, [entry]);
  }
  return sections.map((name, index) => {
    const rows = own.get(name) ?? [];
    return index < ENTRIES.length ? rows.filter(({ tier }) => ENTRIES[index].tiers.includes(tier)) : rows;
  });
}

/** Whether an entry can decide anything: it has a row that is on, or a default that is not to pass. */
export function isUsed(section: ImageSection): boolean {
  return section.rules.some(({ enabled }) => enabled) || (section.otherwise?.action ?? 'allow') !== 'allow';
}
