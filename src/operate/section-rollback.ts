/** One section goes back to what a revision left of it; everything else in the enforced file stays as it is written. */
import { SluiceError } from '../kernel/errors';
import type { Ruleset } from '../model/ruleset';
import { joinBundle, splitBundle } from '../parse/bundle';
import { parseRuleset } from '../parse/parse';
import type { Diagnostic } from '../diagnostics/diagnostic';
import { putText, takeText } from './edit/lazy-section-text';
import { pathOf, SECTION_KEYS, type TextPath } from './edit/section-lines';
import { type History, readRevisionText, type Revision } from './history';
import { SETTINGS } from './plan';
import { sectionDigest } from './section-digest';
import { sectionAt, type SectionThen } from './section-history';
import { readSetFile, type RulesetText } from './ruleset-file';
import type { StateFolder } from './state-files';

/** What of a server its owner may change. */
const OWNERS_KEYS = ['ssh', 'udp', 'default', 'rules'] as const;

/** What becomes of the file. */
export type SectionRollback =
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'refused'; readonly text: string; readonly diagnostics: readonly Diagnostic[] }
  /** `isOther`: the same text means something else today: sets and services it names have changed, or rows have ended. */
  | { readonly kind: 'changed'; readonly text: string; readonly ruleset: Ruleset; readonly isOther: boolean };

/** Where a section goes back, and to what. */
export interface SectionTarget {
  readonly folder: StateFolder;
  readonly history: History;
  readonly revision: Revision;
  readonly section: string;
  /** `owners`: only what the owner of a server may change. */
  readonly what: 'all' | 'owners';
}

/**
 * The enforced text with the section as the revision left it. Throws `SluiceError` where that is not kept any more, or where
 * the file's layout has no place for it: then it must be edited by hand.
 */
export function rollBackSection(target: SectionTarget, source: RulesetText): SectionRollback {
  const { folder, history, revision, section } = target;
  const then = section === SETTINGS ? null : sectionAt(folder, history, revision, section);
  const text = then ? withSection(source.text, then, target) : withSettings(source, target);
  if (text === null) throw byHand(source.path, target);
  if (text === source.text) return { kind: 'unchanged' };
  const read = (content: string): ReturnType<typeof parseRuleset> =>
    parseRuleset(content, { file: source.path, readFile: readSetFile });
  const { ruleset, diagnostics } = read(text);
  if (!ruleset) return { kind: 'refused', text, diagnostics };
  const before = read(source.text).ruleset;
  const names = new Set([...(before?.servers ?? []), ...(ruleset.servers ?? [])].map(({ name }) => name));
  const others = [...names, 'inbound', 'outbound', 'guard', SETTINGS].filter((name) => name !== section);
  const isElsewhere = others.some((name) => before && sectionDigest(before, name) !== sectionDigest(ruleset, name));
  // Services are settings that rows of every section can name.
  if (isElsewhere && section !== SETTINGS) throw byHand(source.path, target);
  const now = sectionDigest(ruleset, section);
  if (then && (then.digest === null) !== (now === null)) throw byHand(source.path, target);
  const isOther = then !== null && then.digest !== now && target.what === 'all';
  return { kind: 'changed', text, ruleset, isOther };
}

function withSection(text: string, then: SectionThen, { section, what }: SectionTarget): string | null {
  const path = pathOf(section);
  const old = then.text;
  if (old === undefined) return null;
  if (what === 'all') return putText(text, path, old);
  if (old === null) return null;
  return withParts(
    text,
    old,
    OWNERS_KEYS.map((key) => ({ from: [section, key], to: [...path, key] })),
  );
}

/** The whole text of the revision, with the sections as they are now. */
function withSettings(source: RulesetText, { folder, revision }: SectionTarget): string | null {
  const whole = readRevisionText(folder, revision);
  if (whole === null || revision.source?.file !== source.path)
    throw new SluiceError('operate/no-revision', `revision ${revision.number} has no text of this file any more`, {
      hint: 'sluice history lists others',
    });
  const now = splitBundle(source.text);
  const main = withParts(
    splitBundle(whole).main,
    now.main,
    SECTION_KEYS.map((key) => ({ from: [key], to: [key] })),
  );
  return main === null ? null : joinBundle({ ...now, main });
}

/** The text with parts of another one; null where one of them has no place, or is written elsewhere. */
function withParts(
  text: string,
  other: string,
  paths: readonly { readonly from: TextPath; readonly to: TextPath }[],
): string | null {
  let now: string | null = text;
  for (const { from, to } of paths) {
    const part = takeText(other, from);
    if (part === undefined || now === null) return null;
    now = putText(now, to, part);
  }
  return now;
}

function byHand(file: string, { section, revision }: SectionTarget): SluiceError {
  return new SluiceError(
    'operate/by-hand',
    `"${section}" cannot be put back into "${file}" without changing more than it`,
    {
      hint: `nothing was changed; sluice show ${revision.number} --section ${section} --text prints it, to be put in by hand`,
    },
  );
}
