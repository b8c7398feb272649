/** What ranks and sections of a generation are called, for whoever tells of packets: a few arrays, however many rows. */
import { firstWhere } from '../model/first-where';
import type { GenerationRecord } from './generation-record';

/** Packed, so that another thread has it for the price of a copy. */
export interface GenerationNames {
  /** Sections by their index in the image. */
  readonly sections: readonly string[];
  /** Ascending. */
  readonly ranks: Uint32Array;
  /** Of each rank: its section, by number in `owners`, and where its id begins in `ids`. */
  readonly owner: Uint32Array;
  readonly starts: Uint32Array;
  readonly owners: readonly string[];
  /** One behind the other. */
  readonly ids: string;
}

/** The names of a record. */
export function packNames({ sections, ranks }: Pick<GenerationRecord, 'sections' | 'ranks'>): GenerationNames {
  const ordered = ranks.every(({ rank }, i) => i === 0 || ranks[i - 1].rank <= rank)
    ? ranks
    : [...ranks].sort((a, b) => a.rank - b.rank);
  const owners = new Map<string, number>();
  const names: GenerationNames = {
    sections,
    ranks: Uint32Array.from(ordered, ({ rank }) => rank),
    owner: Uint32Array.from(ordered, ({ section }) => {
      const number = owners.get(section) ?? owners.size;
      owners.set(section, number);
      return number;
    }),
    starts: new Uint32Array(ordered.length + 1),
    owners: [...owners.keys()],
    ids: ordered.map(({ id }) => id).join(''),
  };
  ordered.forEach(({ id }, i) => (names.starts[i + 1] = names.starts[i] + id.length));
  return names;
}

/** What a rank stands for, of several entries the last; null where it stands for nothing. */
export function nameOfRank(
  { ranks, owner, owners, starts, ids }: GenerationNames,
  rank: number,
): { readonly section: string; readonly id: string } | null {
  const at = firstWhere(ranks, (other) => other > rank) - 1;
  if (at < 0 || ranks[at] !== rank) return null;
  return { section: owners[owner[at]], id: ids.slice(starts[at], starts[at + 1]) };
}
