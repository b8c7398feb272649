/** What a change would do to the rules: data first, see `render-plan.ts` for the text. */
import { longestIncreasing } from '../analyse/longest-increasing';
import { pairRows } from '../analyse/pair-rows';
import { DEFAULT_MAX_FLOWS } from '../model/flow';
import type { AddressMatch } from '../model/match';
import { formatPrefix } from '../model/prefix';
import { originalOf } from '../model/moved';
import type { OwnerAccess } from '../model/owner-access';
import { formatPorts } from '../model/port-range';
import type { GuardRule, Rule, Ruleset, Section, Server } from '../model/ruleset';
import { formatLimit } from '../parse/limit';

/** A row and its number in its section, from 1. */
export interface PlannedRule {
  readonly id: string;
  readonly number: number;
  /** Canonical text. */
  readonly text: string;
}

/** A row of which anything differs that was written; ids can differ where action and match derive them. */
export interface ChangedRule {
  readonly from: PlannedRule;
  readonly to: PlannedRule;
  /** Set where the row was turned on or off. */
  readonly enabled?: boolean;
  /** Set where its end differs: the new one, ISO time, null where it has none any more. */
  readonly until?: string | null;
  /** What else differs: `log`, `note`, `owner`, `review`, an `id` that was written, the `list` of the guard. */
  readonly settings?: readonly ChangedSetting[];
}

/** A row that stands elsewhere relative to the rows that stayed. */
export interface MovedRule {
  readonly id: string;
  readonly text: string;
  readonly from: number;
  readonly to: number;
}

/** A value outside the rows. */
export interface ChangedSetting {
  readonly key: string;
  readonly from: string;
  readonly to: string;
}

/** A set whose addresses differ. */
export interface ChangedSet {
  readonly name: string;
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

export interface SectionPlan {
  readonly section: string;
  readonly added: readonly PlannedRule[];
  readonly removed: readonly PlannedRule[];
  readonly changed: readonly ChangedRule[];
  readonly moved: readonly MovedRule[];
  readonly settings: readonly ChangedSetting[];
}

/** What changes from one ruleset to another, row by row. */
export interface RulesetPlan {
  /** Inbound, outbound, the guard; of servers those that change. */
  readonly sections: readonly SectionPlan[];
  readonly settings: readonly ChangedSetting[];
  readonly sets: readonly ChangedSet[];
  /** Canonical texts of expectations. */
  readonly expect: Pick<ChangedSet, 'added' | 'removed'>;
}

/** Compares the enforced ruleset (null: none) with the one to be applied. */
export function planRuleset(before: Ruleset | null, after: Ruleset): RulesetPlan {
  return {
    sections: [
      planSection(before?.inbound ?? null, after.inbound),
      planSection(before?.outbound ?? null, after.outbound, {
        before: before?.inbound.rules.length ?? 0,
        after: after.inbound.rules.length,
      }),
      planSection(before && guardSection(before), guardSection(after)),
      ...planServers(before, after),
    ],
    settings: before ? changedSettings(rulesetSettings(before), rulesetSettings(after)) : [],
    sets: before ? changedSets(before, after) : [],
    expect: difference(expectations(before), expectations(after)),
  };
}

function isQuiet({ added, removed, changed, moved, settings }: SectionPlan): boolean {
  return [added, removed, changed, moved, settings].every((list) => list.length === 0);
}

/** Whether nothing at all would change. */
export function isEmptyPlan(plan: RulesetPlan): boolean {
  const { settings, sets, expect } = plan;
  return plan.sections.every(isQuiet) && [settings, sets, expect.added, expect.removed].every((list) => !list.length);
}

/** Servers that either has; one that comes or goes is a change of the setting `server`. */
function planServers(before: Ruleset | null, after: Ruleset): SectionPlan[] {
  const old = new Map((before?.servers ?? []).map((server) => [server.name, server]));
  const now = new Map((after.servers ?? []).map((server) => [server.name, server]));
  const names = [...new Set([...old.keys(), ...now.keys()])].sort();
  return names.flatMap((name) => {
    const [from, to] = [old.get(name), now.get(name)];
    if (from && to && originalOf(from) === originalOf(to)) return [];
    const absent: Section = { name, default: 'deny', rules: [] };
    const plan = planSection(from ?? absent, to ?? absent);
    const settings = changedSettings(serverSettings(from), serverSettings(to));
    const whole = { ...plan, settings: from && to ? [...settings, ...plan.settings] : settings };
    return isQuiet(whole) ? [] : [whole];
  });
}

function serverSettings(
  server: Server | undefined,
): Settings<Server, keyof Section | 'addresses' | 'ports' | 'source'> {
  const { target = 'none', addresses = [], ports, owner } = server ?? {};
  const where = `${addresses.map(formatPrefix).join(', ')}${ports ? ` port ${formatPorts(ports)}` : ''}`;
  return { ...{ server: server ? where : 'none' }, target, owner: owner ? ownerText(owner) : 'none' };
}

function ownerText({ group, mode, quotas }: OwnerAccess): string {
  const { rules, entries, changes } = quotas;
  const socket = `group ${group}, mode 0${mode.toString(8)}`;
  return `${socket}, at most ${rules} rules, ${entries} entries, ${changes} changes a minute`;
}

/** Names of everything that has a history of its own: sections, and `settings` for what lies outside them. */
export const SETTINGS = 'settings';

/** What a plan changes: sections, servers that come and go among them, and `settings`. */
export function changedSections({ sections, settings, sets, expect }: RulesetPlan): string[] {
  const outside = [settings, sets, expect.added, expect.removed].some((list) => list.length > 0);
  return [...sections.filter((plan) => !isQuiet(plan)).map(({ section }) => section), ...(outside ? [SETTINGS] : [])];
}

/** The ruleset with one section, or all settings, of another. */
export function withSectionOf(ruleset: Ruleset, other: Ruleset, name: string): Ruleset {
  if (name === SETTINGS) {
    const { guard, inbound, outbound, servers } = ruleset;
    return { ...other, guard, inbound, outbound, ...(servers ? { servers } : { servers: [] }) };
  }
  if (name === 'guard' || name === 'inbound' || name === 'outbound') return { ...ruleset, [name]: other[name] };
  const rest = (ruleset.servers ?? []).filter((server) => server.name !== name);
  const own = (other.servers ?? []).filter((server) => server.name === name);
  return { ...ruleset, servers: [...rest, ...own].sort((a, b) => (a.name < b.name ? -1 : 1)) };
}

/**
 * All that a plan compares of a section or of the settings, as data to make a digest of; null where there is no such
 * section. Sets are named in it and not resolved: whose list changes is the settings' affair.
 */
export function writtenFacts(
  ruleset: Ruleset,
  name: string,
  /** The server of that name, where the caller knows it: looked for among thousands, of each, takes longer than all else. */
  server = ruleset.servers?.find((one) => one.name === name),
): unknown {
  if (name === SETTINGS) {
    const sets = ruleset.sets.map((set) => [set.name, [...members(set.addresses)]]);
    return [rulesetSettings(ruleset), sets, [...expectations(ruleset)]];
  }
  const section =
    server ??
    (name === 'guard' ? guardSection(ruleset) : name === 'inbound' || name === 'outbound' ? ruleset[name] : null);
  if (!section) return null;
  const rows = section.rules.map((rule) => [
    ...[rule.text, rule.enabled, rule.untilMs ?? null],
    rowSettings(rule, rule.idIsExplicit),
  ]);
  return [sectionSettings(section), server ? serverSettings(server) : null, rows];
}

/** The guard's rows as those of a section: keep-reachable, then its rules. */
function guardSection({ guard }: Ruleset): Section {
  return { name: 'guard', default: 'allow', rules: [...guard.keepReachable, ...guard.rules] };
}

/** `first`: rows of the sections before, whose numbers go on here. */
function planSection(
  before: Section | null,
  after: Section,
  first: { before: number; after: number } = { before: 0, after: 0 },
): SectionPlan {
  const oldRules = before?.rules ?? [];
  const pairs = pairRows(oldRules, after.rules, [(rule) => rule.id, matchText]);
  const kept = new Set(pairs.map(([from]) => from));
  const reached = new Set(pairs.map(([, to]) => to));
  const anchored = longestIncreasing(pairs.map(([, to]) => to));
  const planned = (rules: readonly Rule[], index: number, offset: number): PlannedRule => ({
    id: rules[index].id,
    number: offset + index + 1,
    text: rules[index].text,
  });
  const wasPlanned = (index: number): PlannedRule => planned(oldRules, index, first.before);
  const isPlanned = (index: number): PlannedRule => planned(after.rules, index, first.after);
  return {
    section: after.name,
    added: after.rules.flatMap((_, i) => (reached.has(i) ? [] : [isPlanned(i)])),
    removed: oldRules.flatMap((_, i) => (kept.has(i) ? [] : [wasPlanned(i)])),
    changed: pairs.flatMap(([i, j]) => {
      const [from, to] = [oldRules[i], after.rules[j]];
      const named = from.idIsExplicit || to.idIsExplicit;
      const settings = changedSettings(rowSettings(from, named), rowSettings(to, named));
      const same = from.text === to.text && from.enabled === to.enabled && from.untilMs === to.untilMs;
      if (same && settings.length === 0) return [];
      const switched = from.enabled === to.enabled ? {} : { enabled: to.enabled };
      const until = to.untilMs === undefined ? null : new Date(to.untilMs).toISOString();
      const ending = from.untilMs === to.untilMs ? {} : { until };
      return [
        { from: wasPlanned(i), to: isPlanned(j), ...switched, ...ending, ...(settings.length > 0 && { settings }) },
      ];
    }),
    moved: pairs.flatMap(([i, j], k) =>
      anchored.has(k)
        ? []
        : [{ id: after.rules[j].id, text: after.rules[j].text, from: wasPlanned(i).number, to: isPlanned(j).number }],
    ),
    settings: before ? changedSettings(sectionSettings(before), sectionSettings(after)) : [],
  };
}

/** Canonical text without its action and limit: what the row looks at, sets by name. */
export function matchText({ text, limit }: Rule): string {
  const end = limit ? text.length - formatLimit(limit).length : text.length;
  return text.slice(text.indexOf(' ') + 1, end).trimEnd();
}

/** The types of these tables leave out what is compared elsewhere: a new key is in the plan, or it does not compile. */
type Settings<T, Elsewhere extends keyof T> = Readonly<Record<Exclude<keyof T, Elsewhere>, string>>;

function rulesetSettings(
  ruleset: Ruleset,
): Settings<Ruleset, 'version' | 'echo' | 'sets' | 'guard' | 'inbound' | 'outbound' | 'servers' | 'expect'> {
  return {
    interfaces: ruleset.interfaces === 'auto' ? 'auto' : ruleset.interfaces.join(', '),
    mode: ruleset.mode,
    icmp: ruleset.icmp,
    ...{
      'icmp.echo-rate': String(ruleset.echo.inAll),
      'icmp.echo-rate-per-source': String(ruleset.echo.perSource),
    },
    fragments: ruleset.fragments,
    maxFlows: String(ruleset.maxFlows ?? DEFAULT_MAX_FLOWS),
    logging: ruleset.logging,
    boot: ruleset.boot ?? 'closed',
    ethertypes: ruleset.ethertypes.map((type) => `0x${type.toString(16).padStart(4, '0')}`).join(', '),
  };
}

function sectionSettings({ default: otherwise, udp, ssh }: Section): Settings<Section, 'name' | 'rules'> {
  return {
    default: otherwise,
    udp: udp ?? 'on',
    ssh: ssh ? `port ${ssh.ports.join(', ')} from ${ssh.from}` : 'none',
  };
}

type ComparedInRow = 'text' | 'action' | 'match' | 'limit' | 'enabled' | 'untilMs';
type NotWritten = 'source' | 'written' | 'idIsExplicit';

/** What a row says beside its text. Both lists of the guard are shown as one: in which a row stands changes what it does. */
function rowSettings(rule: Rule | GuardRule, named: boolean): Settings<Rule, ComparedInRow | NotWritten> {
  return {
    id: named ? rule.id : 'derived',
    log: rule.log ?? 'off',
    note: rule.note ?? '',
    owner: rule.owner ?? 'none',
    review: rule.review ?? 'none',
    ...{ list: 'direction' in rule ? 'rules' : 'keep-reachable' },
  };
}

function expectations(ruleset: Ruleset | null): Set<string> {
  return new Set(ruleset?.expect.map(({ text }) => text));
}

function changedSettings(
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
): ChangedSetting[] {
  return Object.keys(after).flatMap((key) =>
    before[key] === after[key] ? [] : [{ key, from: before[key], to: after[key] }],
  );
}

function changedSets(before: Ruleset, after: Ruleset): ChangedSet[] {
  const old = new Map(before.sets.map((set) => [set.name, set.addresses]));
  const now = new Map(after.sets.map((set) => [set.name, set.addresses]));
  return [...new Set([...old.keys(), ...now.keys()])].flatMap((name) => {
    const [from, to] = [old.get(name) ?? [], now.get(name) ?? []];
    // A list of a million that is as it was needs no text.
    if (isSameList(from, to)) return [];
    const { added, removed } = difference(members(from), members(to));
    return added.length + removed.length > 0 ? [{ name, added, removed }] : [];
  });
}

function isSameList(one: AddressMatch, other: AddressMatch): boolean {
  if (one === other) return true;
  if (typeof one === 'string' || typeof other === 'string') return false;
  return (
    one.length === other.length &&
    one.every(({ family, words, length }, i) => {
      const twin = other[i];
      return family === twin.family && length === twin.length && words.every((word, k) => word === twin.words[k]);
    })
  );
}

function difference(from: ReadonlySet<string>, to: ReadonlySet<string>): Pick<ChangedSet, 'added' | 'removed'> {
  return { added: [...to].filter((entry) => !from.has(entry)), removed: [...from].filter((entry) => !to.has(entry)) };
}

function members(addresses: AddressMatch): Set<string> {
  return new Set(addresses === 'any' ? ['any'] : addresses.map(formatPrefix));
}
