/**
 * The history of a server as its owner sees it: his own changes, and that his provider changed something. Revisions are
 * named by the digest of his section: their numbers would tell how much everybody else changes.
 */
import { SluiceError } from '../../kernel/errors';
import type { Ruleset, Server } from '../../model/ruleset';
import { isDigestText } from '../digest';
import type { EditOutcome } from '../edit/outcome';
import { type History, type Revision } from '../history';
import { outcomeWords, whenWords } from '../render-history';
import type { RulesetText } from '../ruleset-file';
import { shownDigest } from '../section-digest';
import { changesOf } from '../section-history';
import { rollBackSection, type SectionRollback } from '../section-rollback';
import type { StateFolder } from '../state-files';
import { UsageError } from '../usage-error';
import type { OwnedServer } from './owned-server';
import { noSuchServer, OwnerRefusal } from './refusal';

/** A change of his section, as he may know of it. */
export interface OwnChange {
  /** Of what it left; null where that is not known. */
  readonly digest: string | null;
  /** ISO time. */
  readonly at: string;
  readonly who: string;
  readonly what: string;
  readonly outcome: string;
  readonly reason?: string;
}

/** His server: its name, and the group that owns it now. */
type Own = Pick<OwnedServer, 'name' | 'owner'>;

/** Oldest first; of what was before the server became his there is nothing. */
export function ownChanges(history: Pick<History, 'revisions'>, own: Own): OwnChange[] {
  return ownRevisions(history, own).map((revision) => {
    const { at, author, what, reason, after } = revision;
    const digest = after?.[own.name]?.digest ?? null;
    if (!isBy(revision, own)) return { digest, at, who: 'your provider', what: 'changed your server', outcome: '' };
    const outcome = outcomeWords({ ...revision, ended: undefined });
    return { digest, at, who: author.user, what, outcome, ...(reason !== undefined && { reason }) };
  });
}

/** His last change, where it is over since nobody confirmed it in time; else null. */
export function lateOwn(history: Pick<History, 'revisions'>, own: Own): Revision | null {
  const last = ownRevisions(history, own).at(-1);
  return last?.outcome === 'rolled-back-by-deadline' && isBy(last, own) ? last : null;
}

/** One line of it. */
export function ownChangeLine({ digest, at, who, what, outcome }: OwnChange): string {
  return `${shownDigest(digest)}  ${whenWords(at)} UTC  ${who}: ${what}${outcome === '' ? '' : `; ${outcome}`}`;
}

/** A change of his that he names, and where it would go back. */
export interface OwnReference {
  readonly history: History;
  readonly own: OwnedServer;
  /** The enforced file. */
  readonly source: RulesetText;
  readonly reference: string;
}

/** The enforced text with what he may change of his server as a change of his section left it. */
export function rollBackOwn(folder: StateFolder, wanted: OwnReference): EditOutcome {
  const { own, source } = wanted;
  const { shown, back } = goBack(folder, wanted);
  const message = `${own.name}: your rows and switches are as ${shown} left them`;
  if (back.kind === 'unchanged') return { kind: 'unchanged', text: source.text, message };
  if (back.kind === 'refused') return back;
  const isTold = serverIn(back.ruleset, own).rules.some(
    ({ log, text }) => log !== undefined && !own.rules.some((row) => row.text === text && row.log === log),
  );
  if (isTold)
    throw new OwnerRefusal(
      'owner/provider',
      'what is told of packets is the provider’s to say, and a row of then has log',
      {
        hint: 'nothing was changed; diff shows the rows, to be written without it',
      },
    );
  return { kind: 'changed', text: back.text, message, removedComments: [], diagnostics: [] };
}

/** His server as it would be after that. */
export function ownServerAt(folder: StateFolder, wanted: OwnReference): Server {
  const { back } = goBack(folder, wanted);
  if (back.kind === 'changed') return serverIn(back.ruleset, wanted.own);
  if (back.kind === 'unchanged') return wanted.own;
  throw new OwnerRefusal('owner/no-revision', 'those rows have errors today, and cannot be compared', {
    hint: 'rollback says which',
  });
}

function goBack(
  folder: StateFolder,
  { history, own, source, reference }: OwnReference,
): { readonly shown: string; readonly back: SectionRollback } {
  const revision = findOwn(history, own, reference);
  const section = own.name;
  const shown = shownDigest(revision.after![section].digest);
  try {
    return { shown, back: rollBackSection({ folder, history, revision, section, what: 'owners' }, source) };
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    if (error.code === 'operate/no-revision') throw notKept(reference);
    if (error.code === 'operate/by-hand')
      throw new OwnerRefusal('owner/provider', 'your provider has written your rows in a way that only he can change', {
        hint: 'nothing was changed; ask him',
      });
    throw error;
  }
}

function serverIn({ servers = [] }: Ruleset, { name }: OwnedServer): Server {
  const found = servers.find((server) => server.name === name);
  if (!found) throw noSuchServer();
  return found;
}

/** Throws an `OwnerRefusal` where he has no such change. */
export function findOwn(history: Pick<History, 'revisions'>, own: Own, reference: string): Revision {
  if (!isDigestText(reference))
    throw new UsageError(`"${reference}" is no digest of 7 digits or more`, 'history lists them');
  const found = ownRevisions(history, own).findLast(({ after }) =>
    after?.[own.name]?.digest?.startsWith(reference.toLowerCase()),
  );
  if (found) return found;
  throw notKept(reference);
}

function notKept(reference: string): OwnerRefusal {
  return new OwnerRefusal('owner/no-revision', `your server has no change "${reference}", or it is not kept any more`, {
    hint: 'history lists those there are',
  });
}

/**
 * Changes of his section since it has been his group's without a break: one of which it is not known whose it was
 * then is a break.
 */
function ownRevisions(history: Pick<History, 'revisions'>, own: Own): Revision[] {
  const changes = changesOf(history, own.name);
  const others = changes.findLastIndex(({ after }) => after?.[own.name]?.group !== own.owner.group);
  return changes.slice(others + 1);
}

function isBy({ author }: Revision, { name, owner }: Own): boolean {
  return author.ownerOf === name && author.group === owner.group;
}
