/** A digest of what is written in one section, by which a writer says what he saw (SPEC §6, per section). */
import { originalOf } from '../model/moved';
import type { Ruleset, Section, Server } from '../model/ruleset';
import { contentDigest } from './digest';
import { SETTINGS, writtenFacts } from './plan';

/** Digits that people are shown, and that they give back at least. */
export const SECTION_DIGEST_SHOWN = 12;
export const SECTION_DIGEST_LEAST = 7;

/** By the section itself: a ruleset that is kept in memory is looked at once. */
const known = new WeakMap<Section, string>();

/**
 * SHA-256 (hex) of everything that the operator can write in the section, but comments and layout: rows in their order,
 * with sets by name, and settings. `settings`: of what lies outside sections. Null where there is no such section.
 */
export function sectionDigest(ruleset: Ruleset, name: string): string | null {
  return digestOf(
    ruleset,
    name,
    ruleset.servers?.find((one) => one.name === name),
  );
}

/** Digests of all sections of the ruleset, by their name. */
export function sectionDigests(ruleset: Ruleset): (name: string) => string | null {
  const servers = new Map((ruleset.servers ?? []).map((server) => [server.name, server]));
  return (name) => digestOf(ruleset, name, servers.get(name));
}

function digestOf(ruleset: Ruleset, name: string, server: Server | undefined): string | null {
  const section = server && originalOf(server);
  const found = section && known.get(section);
  if (found !== undefined) return found;
  const facts = writtenFacts(ruleset, name);
  if (facts === null) return null;
  const digest = contentDigest(JSON.stringify(facts));
  if (section) known.set(section, digest);
  return digest;
}

/** Whether the ruleset has such a section, or it is `settings`. */
export function isSection(ruleset: Ruleset, name: string): boolean {
  return (
    ['inbound', 'outbound', 'guard', SETTINGS].includes(name) ||
    (ruleset.servers ?? []).some((one) => one.name === name)
  );
}

/** Whether what a writer gives is the beginning of the digest, of enough digits. */
export function isDigest(given: string, digest: string | null): boolean {
  return given.length >= SECTION_DIGEST_LEAST && digest !== null && digest.startsWith(given.toLowerCase());
}

/** As it is shown. */
export function shownDigest(digest: string | null): string {
  return digest === null ? 'none' : digest.slice(0, SECTION_DIGEST_SHOWN);
}
