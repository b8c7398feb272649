/** Which written rules are worth a look: nothing comes by them, nothing needs them, or their time is over (SPEC §7). */
import { analyse } from '../analyse/analyse';
import type { Door } from '../analyse/reach';
import { forwardedBy } from '../migrate/nat-servers';
import { ANY, type Match } from '../model/match';
import { formatPorts, type PortRange, portInRanges } from '../model/port-range';
import { prefixContains, prefixCovers } from '../model/prefix';
import { PROTOCOL } from '../model/protocol';
import { type Rule, type Ruleset, writtenSections } from '../model/ruleset';
import { hasEnded } from '../model/until';
import type { Snapshot, SnapshotRow } from '../observe/snapshot';
import { formatMoment } from '../parse/time';
import type { Context } from './context';
import { readEnforcement, takeSnapshot } from './enforcement';
import { findListeners } from './exposed';
import { ownAddresses, readNatTable } from './nat-table';

/** Something that is to be said of a rule. */
export interface Remark {
  /** `due`: its review date; `silent`: nothing listens where it lets in. */
  readonly kind: 'ended' | 'off' | 'unused' | 'unreached' | 'broad' | 'silent' | 'due';
  readonly words: string;
  /** What to do, where that is something else than taking the rule out. */
  readonly hint?: string;
}

/** A rule that is worth a look. */
export interface ReviewedRule {
  /** Name of its section, `guard` too. */
  readonly section: string;
  /** As verbs take it; null for rows of the guard. */
  readonly number: number | null;
  readonly id: string;
  readonly text: string;
  readonly note?: string;
  readonly owner?: string;
  /** Not empty. */
  readonly remarks: readonly Remark[];
  /** The line that takes it out, where by a remark nothing would miss it; null where that is not said. */
  readonly deletion: string | null;
}

/** The whole answer. */
export interface Review {
  /** Rules that were looked at. */
  readonly rules: number;
  /** Those that were never hit, and are watched for too short a time to say that nobody uses them. */
  readonly early: number;
  readonly found: readonly ReviewedRule[];
}

/** What a ruleset is reviewed by. */
export interface ReviewInput {
  readonly sections: Snapshot['sections'];
  readonly nowMs: number;
  /** A rule without a hit for so long is unused. */
  readonly unusedMs: number;
  /** Ports to which a rule of inbound lets somebody in, and where nothing is; null: something is, or that is not known. */
  readonly silentPorts: (match: Match) => string | null;
}

/** Reviews what is enforced; null where nothing is. `section`: that one alone. */
export async function reviewEnforced(
  context: Context,
  { unusedMs, section }: { readonly unusedMs: number; readonly section?: string },
): Promise<Review | null> {
  const ruleset = (await readEnforcement(context))?.record?.ruleset;
  if (!ruleset) return null;
  const { sections } = await takeSnapshot(context);
  const only = section === undefined ? sections : sections.filter(({ name }) => name === section);
  const silentPorts = await whatIsSilent(context);
  return reviewRuleset(ruleset, { sections: only, nowMs: Date.now(), unusedMs, silentPorts });
}

/** Reviews a ruleset by what was counted of it. */
export function reviewRuleset(ruleset: Ruleset, input: ReviewInput): Review {
  const findings = findingsByRule(ruleset);
  const written = new Map(writtenSections(ruleset).map(({ name, rules }) => [name, rules]));
  const found: ReviewedRule[] = [];
  let [rules, early] = [0, 0];
  for (const { name, rows } of input.sections) {
    const byId = new Map(rows.map((row) => [row.id, row]));
    for (const rule of written.get(name) ?? []) {
      const row = byId.get(rule.id);
      if (!row) continue;
      rules++;
      if (isEarly(rule, row, input)) early++;
      const marks = remarksOn(rule, { section: name, row, lints: findings.get(placeOf(rule)) ?? [] }, input);
      if (marks.length === 0) continue;
      const { id, text, note, owner } = rule;
      const isMissed = !marks.some(({ removable }) => removable);
      found.push({
        ...{ section: name, number: row.number, id, text },
        ...(note !== undefined && { note }),
        ...(owner !== undefined && { owner }),
        remarks: marks.map(({ kind, words, hint }) => ({ kind, words, ...(hint !== undefined && { hint }) })),
        deletion: isMissed || name === 'guard' ? null : deletionOf(ruleset, name, id),
      });
    }
  }
  return { rules, early, found };
}

/** `removable`: by it nothing would miss the rule. */
interface Mark extends Remark {
  readonly removable: boolean;
}

/** What lints say of single rules. */
const LINTS: Readonly<Partial<Record<string, { readonly kind: Remark['kind']; readonly removable: boolean }>>> = {
  'lint/shadowed': { kind: 'unreached', removable: false },
  'lint/redundant': { kind: 'unreached', removable: true },
  'lint/never-matches': { kind: 'unreached', removable: true },
  'lint/said-by-ssh': { kind: 'unreached', removable: true },
  'lint/broad-allow': { kind: 'broad', removable: false },
  'lint/source-port-trust': { kind: 'broad', removable: false },
};

interface Finding {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
}

function findingsByRule(ruleset: Ruleset): Map<string, Finding[]> {
  const found = new Map<string, Finding[]>();
  for (const finding of analyse(ruleset)) {
    if (!LINTS[finding.code]) continue;
    const place = placeOf(finding);
    found.set(place, [...(found.get(place) ?? []), finding]);
  }
  return found;
}

function placeOf({ source }: Pick<Rule, 'source'>): string {
  return `${source.offset} ${source.file}`;
}

function remarksOn(
  rule: Rule,
  { section, row, lints }: { readonly section: string; readonly row: SnapshotRow; readonly lints: readonly Finding[] },
  input: ReviewInput,
): Mark[] {
  const { nowMs, unusedMs } = input;
  const due = rule.review !== undefined && rule.review < new Date(nowMs).toISOString().slice(0, 10);
  const dueMark: Mark[] = due
    ? [{ kind: 'due', words: `was to be looked at ${rule.review}: then give it a new date`, removable: false }]
    : [];
  if (hasEnded(rule, nowMs)) {
    const words = `ended ${formatMoment(rule.untilMs!)} and matches nothing`;
    return [{ kind: 'ended', words, removable: true }, ...dueMark];
  }
  if (!rule.enabled) return [{ kind: 'off', words: 'is switched off', removable: true }, ...dueMark];
  const letsIn = rule.action === 'allow' || rule.action === 'limit';
  const marks: Mark[] = lints.map(({ code, message, hint }) => {
    const { kind, removable } = LINTS[code]!;
    const behind = message.indexOf(`"${rule.text}" `);
    const words = behind < 0 ? message : message.slice(behind + rule.text.length + 3);
    return { kind, words, removable, ...(hint !== undefined && !removable && { hint }) };
  });
  const idleMs = idleTime(row, nowMs);
  if (idleMs !== null && idleMs >= unusedMs && isCounted(section, row)) {
    const since = row.lastHit === null ? ', as long as it is watched' : '';
    marks.push({ kind: 'unused', words: `no hit for ${Math.floor(idleMs / DAY_MS)} d${since}`, removable: letsIn });
  }
  const silent = section === 'inbound' && letsIn ? input.silentPorts(rule.match) : null;
  if (silent !== null) marks.push({ kind: 'silent', words: `nothing here listens on ${silent}`, removable: true });
  return [...marks, ...dueMark];
}

const DAY_MS = 86_400_000;

/** Since its last hit, else since it is watched; null where that is not known. */
function idleTime({ lastHit, watchedSince }: SnapshotRow, nowMs: number): number | null {
  const since = lastHit ?? watchedSince;
  return since === null ? null : nowMs - Date.parse(since);
}

/** An allow of the guard only ends it, and counts nothing. */
function isCounted(section: string, { action, tier }: SnapshotRow): boolean {
  return section !== 'guard' || action !== 'allow' || tier === '3.1';
}

function isEarly(rule: Rule, row: SnapshotRow, { nowMs, unusedMs }: ReviewInput): boolean {
  const idleMs = idleTime(row, nowMs);
  return rule.enabled && row.lastHit === null && idleMs !== null && idleMs < unusedMs;
}

/** By its id, which does not change when others go before. */
function deletionOf({ inbound, servers = [] }: Ruleset, section: string, id: string): string {
  if (servers.some(({ name }) => name === section)) return `sluice delete ${id} --server ${section}`;
  return section === inbound.name ? `sluice delete ${id}` : `sluice delete ${section}/${id}`;
}

/** What listens on the machine, and where NAT sends others. */
async function whatIsSilent({ kernel, netns }: Context): Promise<ReviewInput['silentPorts']> {
  const { own, found } = await findListeners(kernel, netns);
  const { rules } = await readNatTable(netns);
  const forwarded = forwardedBy(rules, await ownAddresses(kernel, netns)).forwarded.flatMap(({ ports }) => ports);
  const doors = found.flatMap((one) => one.doors);
  return (match) => {
    const { to, toPorts, protocols } = match;
    const asked = [PROTOCOL.TCP, PROTOCOL.UDP].filter((one) => protocols === ANY || protocols.includes(one));
    if (toPorts === ANY || asked.length === 0) return null;
    // Of another machine, behind this one.
    if (to !== ANY && !to.some((prefix) => own[prefix.family].some((words) => prefixContains(prefix, words))))
      return null;
    if (doors.some((door) => leadsTo(door, match)) || forwarded.some((range) => meets(range, toPorts))) return null;
    return `${formatPorts(toPorts)}${asked.length === 2 ? '' : asked[0] === PROTOCOL.TCP ? '/tcp' : '/udp'}`;
  };
}

function leadsTo({ protocol, port, addresses }: Door, { to, toPorts, protocols }: Match): boolean {
  const number = protocol === 'tcp' ? PROTOCOL.TCP : PROTOCOL.UDP;
  if (protocols !== ANY && !protocols.includes(number)) return false;
  if (toPorts !== ANY && !portInRanges(toPorts, port)) return false;
  return to === ANY || addresses.some((address) => to.some((prefix) => prefixCovers(prefix, address)));
}

function meets(range: PortRange, ranges: readonly PortRange[]): boolean {
  return ranges.some(({ first, last }) => first <= range.last && range.first <= last);
}
