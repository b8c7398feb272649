/** A digest of what is written in one section, by which a writer says what he saw (SPEC §6, per section). */
import { createHash } from 'node:crypto';
import { originalOf } from '../model/moved';
import type { Prefix } from '../model/prefix';
import type { Ruleset, Section, Server } from '../model/ruleset';
import { contentDigest, DIGEST_LEAST } from './digest';
import { SETTINGS, writtenFacts } from './plan';

/** Digits that people are shown. */
const DIGEST_SHOWN = 12;

/** By the section or the ruleset itself: what is kept in memory is looked at once. */
const known = new WeakMap<Section | Ruleset, string>();

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

/**
 * Digests of the servers that have owners, by name: a change notes each of those it is about, and of thousands they take a
 * while, which another thread may have.
 */
export function ownedDigests(ruleset: Ruleset): ReadonlyMap<string, string> {
  const owned = (ruleset.servers ?? []).filter(({ owner }) => owner);
  return new Map(owned.map((server) => [server.name, digestOf(ruleset, server.name, server)!]));
}

/** Remembers what `ownedDigests` has said of the same ruleset elsewhere. */
export function knowDigests({ servers = [] }: Ruleset, digests: ReadonlyMap<string, string>): void {
  for (const server of servers) {
    const digest = digests.get(server.name);
    if (digest !== undefined) known.set(originalOf(server), digest);
  }
}

function digestOf(ruleset: Ruleset, name: string, server: Server | undefined): string | null {
  const shared = name === 'inbound' || name === 'outbound' ? ruleset[name] : undefined;
  const section = server ? originalOf(server) : shared;
  const found = section && known.get(section);
  if (found !== undefined) return found;
  const facts = writtenFacts(ruleset, name, server);
  if (facts === null) return null;
  const digest = contentDigest(JSON.stringify(facts));
  if (section) known.set(section, digest);
  return digest;
}

/** The same of all that is written: of every section, and of the settings with their lists of addresses. */
export function rulesetDigest(ruleset: Ruleset): string {
  const found = known.get(ruleset);
  if (found !== undefined) return found;
  const hash = createHash('sha256');
  const names = ['inbound', 'outbound', 'guard', ...(ruleset.servers ?? []).map(({ name }) => name)];
  const digestIn = sectionDigests(ruleset);
  for (const name of names) hash.update(`${JSON.stringify(name)}${digestIn(name)}`);
  // Long lists: as they are, since their words would be most of the work.
  hash.update(JSON.stringify(writtenFacts({ ...ruleset, sets: [] }, SETTINGS)));
  for (const { name, addresses } of ruleset.sets) {
    hash.update(JSON.stringify([name, addresses === 'any' ? addresses : addresses.length]));
    if (addresses !== 'any') hash.update(wordsOf(addresses));
  }
  const digest = hash.digest('hex');
  known.set(ruleset, digest);
  return digest;
}

/** Six words each: an IPv4 address has one of its own. */
function wordsOf(addresses: readonly Prefix[]): Uint32Array {
  const all = new Uint32Array(addresses.length * 6);
  addresses.forEach(({ family, length, words }, i) => {
    all.set([family, length, ...words], i * 6);
  });
  return all;
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
  return given.length >= DIGEST_LEAST && digest !== null && digest.startsWith(given.toLowerCase());
}

/** As it is shown. */
export function shownDigest(digest: string | null): string {
  return digest === null ? 'none' : digest.slice(0, DIGEST_SHOWN);
}
