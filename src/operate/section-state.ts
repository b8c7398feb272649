/** What a change left of each section it was about: kept with the revision, so that one section can go back alone. */
import type { Ruleset } from '../model/ruleset';
import { contentDigest } from './digest';
import { pathOf, takeLines } from './edit/section-lines';
import { joinPart, partOf, splitBundle } from '../parse/bundle';
import { sectionDigests } from './section-digest';

/** A ruleset with the text it was read from. */
export interface WrittenRuleset {
  readonly file: string;
  readonly text: string;
  readonly ruleset: Ruleset;
}

/** What a change left of a section. */
export interface SectionState {
  /** Its digest (`sectionDigest`); null where it is gone. */
  readonly digest: string | null;
  /** Digest of its text, from the left margin, which is kept beside the whole one; left out where it has no lines of its own. */
  readonly text?: string;
  /** The group that a server belonged to then: the next owner is told nothing of what was before. */
  readonly group?: string;
}

/** Sections of one change up to which each has its state and its text; of more only owned servers have one, without text. */
const STATES_MAX = 64;

/** The states of these sections, by name. */
export function statesOf(to: WrittenRuleset, sections: readonly string[]): Record<string, SectionState> {
  const groups = new Map((to.ruleset.servers ?? []).map(({ name, owner }) => [name, owner?.group]));
  const isMany = sections.length > STATES_MAX;
  const told = isMany ? sections.filter((section) => groups.get(section) !== undefined) : sections;
  const digestIn = sectionDigests(to.ruleset);
  return Object.fromEntries(
    told.map((section) => {
      const text = isMany ? null : sectionLines(to, section);
      const group = groups.get(section);
      const state: SectionState = {
        digest: digestIn(section),
        ...(text !== null && { text: contentDigest(text) }),
        ...(group !== undefined && { group }),
      };
      return [section, state];
    }),
  );
}

/** The lines of a section in the text of its ruleset, from the left margin; null where it has none of its own. */
export function sectionLines({ file, text, ruleset }: WrittenRuleset, section: string): string | null {
  const part = partOf(splitBundle(text), section);
  if (part) return joinPart(part);
  const source = ruleset.servers?.find(({ name }) => name === section)?.source;
  if (source) return source.file === file ? takeLines(text, source.offset) : null;
  const at = pathOf(section).length === 1 ? splitBundle(text).main.search(new RegExp(`^${section}:`, 'm')) : -1;
  return at < 0 ? null : takeLines(text, at);
}

/** Whether what a file holds are states; undefined: a version that kept none. */
export function areStates(after: unknown): boolean {
  if (after === undefined) return true;
  if (typeof after !== 'object' || after === null || Array.isArray(after)) return false;
  return Object.values(after as Record<string, Partial<SectionState> | null>).every(
    (state) =>
      state !== null &&
      typeof state === 'object' &&
      (state.digest === null || isSha(state.digest)) &&
      (state.text === undefined || isSha(state.text)) &&
      (state.group === undefined || typeof state.group === 'string'),
  );
}

/** Whether it is a SHA-256 in hex. */
export function isSha(text: unknown): text is string {
  return typeof text === 'string' && /^[0-9a-f]{64}$/.test(text);
}
