/** Revisions as people read them. */
import type { Author } from './change-note';
import type { Revision, RevisionOutcome } from './history';

const OUTCOME_WORDS: Readonly<Record<RevisionOutcome, string>> = {
  applied: 'applied',
  pending: 'waits to be confirmed',
  confirmed: 'confirmed',
  'rolled-back-by-deadline': 'not confirmed in time',
  'rolled-back-by-hand': 'taken back',
  'rolled-back-at-boot': 'not confirmed before a boot',
};

/** What became of a revision. */
export function outcomeWords({ outcome, ended }: Revision): string {
  return ended?.by ? `${OUTCOME_WORDS[outcome]} by ${authorWords(ended.by)}` : OUTCOME_WORDS[outcome];
}

/** `alice from 203.0.113.9`, `bob, owner of gpu-17`. */
export function authorWords({ user, from, ownerOf }: Author): string {
  const who = ownerOf === undefined ? user : `${user}, owner of ${ownerOf}`;
  return from === undefined ? who : `${who} from ${from}`;
}

/** `2027-01-31 18:00:00`, UTC. */
export function whenWords(iso: string): string {
  return iso.slice(0, 19).replace('T', ' ');
}

/** One line: number, when, who, what, why, what became of it. */
export function describeRevision(revision: Revision): string {
  const { number, at, author, what, reason } = revision;
  const why = reason === undefined ? '' : ` "${reason}"`;
  return `${number}  ${whenWords(at)} UTC  ${authorWords(author)}: ${what}${why}; ${outcomeWords(revision)}`;
}
