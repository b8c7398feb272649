/** Ranks and image words: the order of the rows, as the datapath compares it. */
import { CapacityError } from './capacity';
import type { RankEntry } from './image';
import type { ImageSection } from './sections';
import { ACTION_CODE, OUT_CODE, TIER_CODE } from '../abi/codec';
import { SLC_LIMITS, SLC_WORD_RANK_SHIFT, SLC_WORD_TIER_SHIFT } from '../abi/layout.gen';

/** Counter ids of the implicit rows. */
export const SSH_ID = 'ssh';
export const DEFAULT_ID = 'default';

/** Ranks of a section: an entry a row (disabled ones too, they keep their counters), then SSH row and default. */
export interface SectionRanks {
  /** In the order of the rows. */
  readonly rows: readonly RankEntry[];
  /** Present where the section lets anyone in by SSH. */
  readonly ssh?: RankEntry;
  /** Left out where a packet that no row matches goes on. */
  readonly default?: RankEntry;
  /** The first rank behind the section. */
  readonly end: number;
}

/** The distance between neighbours: gaps, so that a row can be put between two without moving the others. */
export function rankStride(rows: number): number {
  if (rows <= 1_000) return 8;
  return rows <= 10_000 ? 4 : 2;
}

/**
 * Gives every row its rank, `first` to the first one. The places of SSH row and default do not depend on whether there
 * is an SSH row.
 */
export function assignRanks(section: ImageSection, first: number): SectionRanks {
  const count = section.rules.length;
  const stride = rankStride(count);
  const rankOf = (place: number): number => first + stride * place;
  const places = section.otherwise ? count + 2 : count;
  const last = rankOf(Math.max(0, places - 1));
  if (last > SLC_LIMITS.RANK_MAX) throw new CapacityError('ranks', last, SLC_LIMITS.RANK_MAX);
  const rows = section.rules.map((rule, place): RankEntry => ({
    rank: rankOf(place),
    section: section.name,
    tier: section.rowTier,
    action: rule.action,
    id: rule.id,
    rule,
  }));
  const implicit = { section: section.name };
  const { otherwise } = section;
  return {
    rows,
    ...(section.ssh?.from === 'anyone' && {
      ssh: { ...implicit, rank: rankOf(count), tier: '8', action: 'allow', id: SSH_ID },
    }),
    ...(otherwise && { default: { ...implicit, rank: last, ...otherwise, id: DEFAULT_ID } }),
    end: rankOf(places),
  };
}

/** All ranks of a section, ascending. */
export function ranksOf(section: SectionRanks): RankEntry[] {
  return [...section.rows, ...(section.ssh ? [section.ssh] : []), ...(section.default ? [section.default] : [])];
}

/** The counter's id as it is written outside the section: `outbound/web`. Rows of `inbound` go by their own id. */
export function nameOfEntry({ section, id }: Pick<RankEntry, 'section' | 'id'>): string {
  return section === 'inbound' ? id : `${section}/${id}`;
}

/** The image word that leads to the entry: rank, tier and action; no flags. */
export function wordOf(entry: RankEntry): number {
  const { rank, tier, action } = entry;
  return ((rank << SLC_WORD_RANK_SHIFT) | (ROW_TIER_CODE[tier] << SLC_WORD_TIER_SHIFT) | ACTION_CODE[action]) >>> 0;
}

const ROW_TIER_CODE = { ...TIER_CODE, ...OUT_CODE };

/** The entry an image word leads to, or null where the word contradicts the table. `ranks` ascend. */
export function entryOfWord(ranks: readonly RankEntry[], word: number): RankEntry | null {
  const rank = rankOfWord(word);
  let low = 0;
  let high = ranks.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ranks[middle].rank < rank) low = middle + 1;
    else high = middle;
  }
  const entry = ranks.at(low);
  return entry && wordOf(entry) === word ? entry : null;
}

/** The rank in an image word. */
export function rankOfWord(word: number): number {
  return word >>> SLC_WORD_RANK_SHIFT;
}
