/** What the history tells of one section: its changes, its text at a revision, and whether a writer saw what is there. */
import { RefusedError, SluiceError } from '../kernel/errors';
import type { Ruleset } from '../model/ruleset';
import { splitBundle } from '../parse/bundle';
import { judgeText } from './check';
import { putText, takeText } from './edit/lazy-section-text';
import { pathOf, SECTION_KEYS } from './edit/section-lines';
import { type History, holds, readRevisionText, readSectionText, type Revision } from './history';
import { SETTINGS } from './plan';
import { describeRevision } from './render-history';
import { isDigest, isSection, sectionDigest, shownDigest } from './section-digest';
import type { StateFolder } from './state-files';

/** Revisions that changed the section, oldest first. */
export function changesOf({ revisions }: Pick<History, 'revisions'>, section: string): Revision[] {
  return revisions.filter(({ sections }) => sections.includes(section));
}

/** Throws `SluiceError` where nothing that enforces, and no revision, has such a section. */
export function requireSectionName(
  history: Pick<History, 'revisions'>,
  ruleset: Ruleset | null,
  section: string,
): void {
  if (ruleset && isSection(ruleset, section)) return;
  if (changesOf(history, section).length > 0) return;
  const names = ['inbound', 'outbound', 'guard', SETTINGS, ...(ruleset?.servers ?? []).map(({ name }) => name)];
  throw new SluiceError('operate/no-section', `there is no section "${section}", and no revision had one`, {
    hint: `there are: ${names.slice(0, NAMED).join(', ')}${names.length > NAMED ? ` and ${names.length - NAMED} more: sluice servers` : ''}`,
  });
}

const NAMED = 12;

/** The section is not what the writer saw. */
export class SectionChangedError extends RefusedError {
  constructor(
    section: string,
    { given, now, since }: { readonly given: string; readonly now: string | null; readonly since: readonly Revision[] },
  ) {
    const found = `"${section}" is not as you saw it: its digest is ${shownDigest(now)}, not "${given}"`;
    super('operate/section', [found, ...since.map(describeRevision)].join('\n  '), {
      hint: `nothing was changed; sluice history ${section}${now === null ? ' tells since when there is none' : `, then --if-digest ${shownDigest(now)}`}`,
    });
  }
}

/** Refuses where a writer saw another section than the one that is enforced. `given` undefined: he says nothing of it. */
export function requireSeen(history: History, ruleset: Ruleset, section: string, given: string | undefined): void {
  if (given === undefined) return;
  const now = sectionDigest(ruleset, section);
  if (isDigest(given, now)) return;
  throw new SectionChangedError(section, { given, now, since: changesSince(history, section, given) });
}

/**
 * Refuses where a verb has nothing to change, and the writer saw another section than the one it is about: which that is only
 * its words tell, unless it is a server's, so that it is enough that one section is as he saw it.
 */
export function requireOneSeen(
  history: History,
  ruleset: Ruleset,
  {
    server,
    otherwise,
    given,
  }: { readonly server: string | undefined; readonly otherwise: string; readonly given: string },
): void {
  const names = ['inbound', 'outbound', SETTINGS, ...(ruleset.servers ?? []).map(({ name }) => name)];
  const isSeen = names.some((name) => isDigest(given, sectionDigest(ruleset, name)));
  if (server !== undefined || !isSeen) requireSeen(history, ruleset, server ?? otherwise, given);
}

/** Changes after the last one that left what the writer saw; the newest where none that is kept did. */
export function changesSince(history: History, section: string, given: string): Revision[] {
  const changes = changesOf(history, section);
  const seen = changes.findLastIndex(({ after }) => isDigest(given, after?.[section]?.digest ?? null));
  return seen < 0 ? changes.slice(-1) : changes.slice(seen + 1);
}

/** A section as a revision left it. */
export interface SectionThen {
  /** From the left margin; null where there was none; undefined where it was written elsewhere (an alias). */
  readonly text: string | null | undefined;
  /** Null where there was none; undefined where its text has errors today. */
  readonly digest: string | null | undefined;
}

/**
 * The section at a revision, whether or not that changed it: from the whole text, or else from the last change of the section
 * until then, where no revision between them is lost that may have been a later one. Throws `SluiceError` where neither is kept.
 */
export function sectionAt(folder: StateFolder, history: History, revision: Revision, section: string): SectionThen {
  const earlier = changesOf(history, section).findLast((one) => one.number < revision.number && holds(one));
  for (const one of [revision, earlier]) {
    if (!one || !isWhole(history, one.number, revision.number)) continue;
    const state = one.after?.[section];
    if (state?.digest === null) return { text: null, digest: null };
    const own = state && readSectionText(folder, one, section);
    if (own != null && state) return { text: own, digest: state.digest };
    const whole = one.source && readRevisionText(folder, one);
    if (whole != null) return fromWhole(one, whole, section);
    // It changed the section, and how is not known any more: what was before is something else.
    if (one.sections.includes(section)) break;
  }
  throw new SluiceError(
    'operate/no-revision',
    `"${section}" as revision ${revision.number} left it is not kept any more`,
    {
      hint: `sluice history ${section} lists its changes`,
    },
  );
}

/** Whether every revision from one number to another is there: numbers are used once, and those of owners go before older ones. */
function isWhole({ revisions }: Pick<History, 'revisions'>, from: number, to: number): boolean {
  return revisions.filter(({ number }) => number >= from && number <= to).length === to - from + 1;
}

function fromWhole({ source, after }: Revision, text: string, section: string): SectionThen {
  const known = after?.[section]?.digest;
  const own = section === SETTINGS ? settingsOf(text) : takeText(text, pathOf(section));
  if (known !== undefined) return { text: own, digest: known };
  const { ruleset } = judgeText(source!.file, text);
  return { text: own, digest: ruleset ? sectionDigest(ruleset, section) : undefined };
}

/** The text without its sections. */
function settingsOf(text: string): string | undefined {
  const rest = SECTION_KEYS.reduce<string | null>(
    (now, key) => (now === null ? null : putText(now, [key], null)),
    splitBundle(text).main,
  );
  return rest ?? undefined;
}
