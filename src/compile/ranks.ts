/** Ranks and image words: the order of the rows, as the datapath compares it. */
import { CapacityError } from './capacity';
import type { RankEntry } from './image';
import type { ImageSection } from './sections';
import { firstWhere } from '../model/first-where';
import { sshVerdict } from '../model/ruleset';
import { ACTION_CODE, OUT_CODE, TIER_CODE } from '../abi/codec';
import {
  SLC_LIMIT_REFUSED_RANK,
  SLC_LIMITS,
  SLC_REASON,
  SLC_WORD_LOG,
  SLC_WORD_LOG_ALL,
  SLC_WORD_RANK_SHIFT,
  SLC_WORD_TIER_SHIFT,
} from '../abi/layout.gen';

/** Counter ids of the implicit rows. */
export const SSH_ID = 'ssh';
export const DEFAULT_ID = 'default';

/** Counter id of the row of a UDP switch that is off. */
export const UDP_OFF_ID = 'udp-off';

/**
 * The row of inbound's UDP switch where that is off. Its rank is below that of any row, and the counter slot of its
 * reason: it is counted as `udp-off`, and no row moves when the switch is thrown.
 */
export const UDP_OFF: RankEntry = {
  rank: SLC_REASON.UDP_OFF,
  section: 'inbound',
  tier: '6',
  action: 'deny',
  id: UDP_OFF_ID,
};

/** Ranks of a section: an entry a row (disabled ones too, they keep their counters), then SSH row and default. */
export interface SectionRanks {
  /** Present where the UDP switch is off. */
  readonly udpOff?: RankEntry;
  /** In the order of the rows. */
  readonly rows: readonly RankEntry[];
  /** Present where the section lets anyone in by SSH. */
  readonly ssh?: RankEntry;
  /** Left out where a packet that no row matches goes on. */
  readonly default?: RankEntry;
  /** The first rank behind the section. */
  readonly end: number;
}

/**
 * Gives every row its rank, `first` to the first one; those of a server count from 0, whatever stands before it. Ranks
 * have no gaps: counters stand by rank, and every gap costs the packets cache lines. Only behind a limit row one is left
 * free, where its refusals are counted. The places of UDP switch, SSH row and default do not depend on whether there is
 * such a row.
 */
export function assignRanks(section: ImageSection, first: number): SectionRanks {
  const implicit = { section: section.name };
  const ownSwitch = section.server !== undefined;
  let next = ownSwitch ? first + 1 : first;
  const udpOff = ownSwitch ? { ...UDP_OFF, ...implicit, rank: first } : UDP_OFF;
  const rows = section.rules.map((rule): RankEntry => {
    const rank = next;
    next += rule.action === 'limit' ? 1 + SLC_LIMIT_REFUSED_RANK : 1;
    return { rank, section: section.name, tier: section.rowTier, action: rule.action, id: rule.id, rule };
  });
  const { otherwise } = section;
  const ssh = otherwise ? sshVerdict({ ...(section.ssh && { ssh: section.ssh }), default: otherwise.action }) : null;
  const end = otherwise ? next + 2 : next;
  checkRanks(end);
  return {
    ...(section.udp === 'off' && { udpOff }),
    rows,
    ...(ssh && { ssh: { ...implicit, rank: next, tier: '8', action: ssh, id: SSH_ID } }),
    ...(otherwise && { default: { ...implicit, rank: next + 1, ...otherwise, id: DEFAULT_ID } }),
    end,
  };
}

/** Throws `CapacityError` where the rank before `end` is more than an image can name. */
export function checkRanks(end: number): void {
  if (end - 1 > SLC_LIMITS.RANK_MAX) throw new CapacityError('ranks', end - 1, SLC_LIMITS.RANK_MAX);
}

/** All ranks of a section, ascending; without `UDP_OFF`, which every image can have. */
export function ranksOf({ udpOff, rows, ssh, default: otherwise }: SectionRanks): RankEntry[] {
  return [
    ...(udpOff && udpOff !== UDP_OFF ? [udpOff] : []),
    ...rows,
    ...(ssh ? [ssh] : []),
    ...(otherwise ? [otherwise] : []),
  ];
}

/** The counter's id as it is written outside the section: `outbound/web`. Rows of `inbound` go by their own id. */
export function nameOfEntry({ section, id }: Pick<RankEntry, 'section' | 'id'>): string {
  return section === 'inbound' ? id : `${section}/${id}`;
}

/** The image word that leads to the entry: rank, tier, what is told, action. */
export function wordOf(entry: RankEntry): number {
  const { rank, tier, action, rule } = entry;
  const log = rule?.log === 'all' ? SLC_WORD_LOG_ALL : rule?.log === 'new' ? SLC_WORD_LOG : 0;
  const flags = (ROW_TIER_CODE[tier] << SLC_WORD_TIER_SHIFT) | log;
  return ((rank << SLC_WORD_RANK_SHIFT) | flags | ACTION_CODE[action]) >>> 0;
}

const ROW_TIER_CODE = { ...TIER_CODE, ...OUT_CODE };

/** The entry an image word leads to, or null where the word contradicts the table. `ranks` ascend. */
export function entryOfWord(ranks: readonly RankEntry[], word: number): RankEntry | null {
  const rank = rankOfWord(word);
  if (rank === UDP_OFF.rank) return wordOf(UDP_OFF) === word ? UDP_OFF : null;
  const entry = rankEntry(ranks, rank);
  return entry && wordOf(entry) === word ? entry : null;
}

/** The entry of a rank; `ranks` ascend. */
export function rankEntry(ranks: readonly RankEntry[], rank: number): RankEntry | undefined {
  const entry = ranks.at(firstWhere(ranks, (other) => other.rank >= rank));
  return entry?.rank === rank ? entry : undefined;
}

/** The rank in an image word. */
export function rankOfWord(word: number): number {
  return word >>> SLC_WORD_RANK_SHIFT;
}
