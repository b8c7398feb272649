/** How much history is kept, and of whom: nobody pushes out what another did. */
import type { ChangeNote } from './change-note';

/** Revisions that are kept at most: the operator's, and what owners did, of one server and of all. */
export const REVISIONS_MAX = 100;
export const SERVER_REVISIONS_MAX = 10;
export const OWNERS_REVISIONS_MAX = 200;
/** Bytes of texts: whole ones, of which owners' go first, and those of sections. */
export const TEXT_BYTES_MAX = 64 * 1024 * 1024;
export const SECTION_BYTES_MAX = 16 * 1024 * 1024;
/** The newest are kept whosever they are, and their whole texts whatever their size. */
const NEWEST_KEPT = 2;

/** Of a revision what decides whether it stays. */
type Bounded = Pick<ChangeNote, 'author' | 'after'> & { readonly source: { readonly textDigest: string } | null };

/** Those that are more than is kept. `revisions`: oldest first. */
export function beyondBounds<T extends Bounded>(revisions: readonly T[]): T[] {
  const counts = new Map<string | undefined, number>();
  let owners = 0;
  return revisions.toReversed().filter(({ author: { ownerOf } }, index) => {
    const count = counts.get(ownerOf) ?? 0;
    const isOver =
      ownerOf === undefined ? count >= REVISIONS_MAX : count >= SERVER_REVISIONS_MAX || owners >= OWNERS_REVISIONS_MAX;
    if (isOver && index >= NEWEST_KEPT) return true;
    counts.set(ownerOf, count + 1);
    if (ownerOf !== undefined) owners++;
    return false;
  });
}

/** Digests of the texts that stay; `sizeOf`: bytes of one. `revisions`: oldest first. */
export function textsToKeep(revisions: readonly Bounded[], sizeOf: (digest: string) => number): Set<string> {
  const kept = new Set<string>();
  const take = (digests: readonly string[], least: number, most: number): void => {
    let bytes = 0;
    for (const [i, digest] of digests.entries()) {
      if (kept.has(digest)) continue;
      bytes += sizeOf(digest);
      // Once one is too much, so is whatever is older.
      if (i >= least && bytes > most) return;
      kept.add(digest);
    }
  };
  const newest = revisions.toReversed();
  const [last, older] = [newest.slice(0, NEWEST_KEPT), newest.slice(NEWEST_KEPT)];
  const isOwners = ({ author }: Bounded): boolean => author.ownerOf !== undefined;
  const whole = [...last, ...older.filter((one) => !isOwners(one)), ...older.filter(isOwners)];
  take(
    newest.flatMap(({ after = {} }) => Object.values(after).flatMap(({ text }) => text ?? [])),
    ...([0, SECTION_BYTES_MAX] as const),
  );
  take(
    whole.flatMap(({ source }) => source?.textDigest ?? []),
    ...([NEWEST_KEPT, TEXT_BYTES_MAX] as const),
  );
  return kept;
}
