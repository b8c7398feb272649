/**
 * Edits of a ruleset's text that keep comments and layout (SPEC §6, verbs). Every edit is checked: its result is
 * parsed again and must hold exactly the intended rules, and everything else must be as it was.
 */
import { isDeepStrictEqual } from 'node:util';
import type { LogLevel } from '../model/logging';
import { ANY, type Match } from '../model/match';
import { formatPortRange } from '../model/port-range';
import { PROTOCOL } from '../model/protocol';
import type { Rule } from '../model/ruleset';
import { directionOf } from '../parse/rule-line';
import { formatMoment } from '../parse/time';
import { type EditedSection, incoming, nameOf, optionFor, sectionIn } from './edit/edited-section';
import { byHand, indexOf, type Opened, openDocument, parseText, readRow, refuse, rowsOf } from './edit/opened';
import type { EditOutcome, EditRefused, MoveTarget, RulesetDocument, RuleReference } from './edit/outcome';
import { replaceRow } from './edit/replace-row';
import { findRows, withRowInserted, withRowMoved, withRowRemoved } from './edit/row-list';
import { joinRow, newRuleId, type RowParts, splitRow, withAction } from './edit/row-text';
import { withSetting } from './edit/section-setting';
import { accept, shapeOf } from './edit/verify';
import { isOwnText, openYaml, pairOf, scalarText, setKey, type YamlText } from './edit/yaml-text';
import { matchText } from './plan';

export { formatRuleset } from './edit/format-rows';
export { setSsh, type SshChange } from './edit/set-ssh';
export type { EditOutcome, EditRefused, MoveTarget, RulesetDocument, RuleReference } from './edit/outcome';

/**
 * Adds a row at the end of `inbound.rules`, of `outbound.rules` where it says `out`, or of the rules of a `server`. A row with the same match and
 * another action (or comment) is replaced in place and keeps its id, thus its counters; the same row again changes
 * nothing. A row with an end replaces none without: it goes above that one, which decides again when it has ended.
 */
export function addRule(document: RulesetDocument, row: string, server?: string): EditOutcome {
  return named(server, addOrInsert(document, row, null, server));
}

/**
 * Inserts a row so that it becomes row `position` (from 1, at most one more than there are rows). A row with the same
 * match and another action is replaced and moves there.
 */
export function insertRule(document: RulesetDocument, position: number, row: string, server?: string): EditOutcome {
  return named(server, addOrInsert(document, row, position, server));
}

/** Deletes a row, named by its number, its id, or its text (a comment need not be repeated). */
export function deleteRule(document: RulesetDocument, reference: RuleReference, server?: string): EditOutcome {
  const opened = openDocument(document, sectionOfReference(document, reference, server));
  if ('kind' in opened) return opened;
  const index = indexOf(opened, reference);
  if (typeof index !== 'number') return index;
  const { text, comments } = withRowRemoved(opened.yaml, rowsOf(opened), index);
  const outcome = accept(opened, text, {
    rules: opened.rules.map(shapeOf).toSpliced(index, 1),
    message: `deleted rule ${numberOf(opened, index)}: ${opened.rules[index].text}`,
    removedComments: comments,
  });
  return named(server, outcome);
}

/** Moves a row; comments above and beside it travel with it. */
export function moveRule(
  document: RulesetDocument,
  reference: RuleReference,
  target: MoveTarget,
  server?: string,
): EditOutcome {
  return named(server, move(document, reference, target, server));
}

function move(
  document: RulesetDocument,
  reference: RuleReference,
  target: MoveTarget,
  server: string | undefined,
): EditOutcome {
  const opened = openDocument(document, sectionOfReference(document, reference, server));
  if ('kind' in opened) return opened;
  const from = indexOf(opened, reference);
  if (typeof from !== 'number') return from;
  const to = destination(opened, from, target);
  if (typeof to !== 'number') return to;
  const { text } = opened.rules[from];
  if (to === from)
    return {
      kind: 'unchanged',
      text: document.text,
      message: `rule ${numberOf(opened, from)} stands there already: ${text}`,
    };
  const shapes = opened.rules.map(shapeOf);
  return accept(opened, withRowMoved(opened.yaml, rowsOf(opened), from, to), {
    rules: shapes.toSpliced(from, 1).toSpliced(to, 0, shapes[from]),
    message: `moved rule ${numberOf(opened, from)} to ${numberOf(opened, to)}: ${text}`,
  });
}

/** Sets what happens to packets that no row decides. */
export function setDefault(
  document: RulesetDocument,
  action: 'deny' | 'allow' | 'reject',
  direction: 'incoming' | 'outgoing' = 'incoming',
  server?: string,
): EditOutcome {
  const section = direction === 'incoming' ? incoming(server) : 'outbound';
  const opened = openDocument(document, section);
  if ('kind' in opened) return opened;
  const now = sectionIn(opened.ruleset, section)?.default;
  if (now === action) {
    const message = `the ${direction} default is ${action} already`;
    return named(server, { kind: 'unchanged', text: document.text, message });
  }
  const text = withSetting(opened.yaml, section, 'default', scalarText(opened.yaml, action, 'flow'));
  if (text === null) return byHand(document, opened.at, section, `"${nameOf(section)}" is not a map written out here`);
  const outcome = accept(opened, text, {
    rules: opened.rules.map(shapeOf),
    default: action,
    message: `the ${direction} default is now ${action} (was ${now})`,
  });
  return named(server, outcome);
}

/** Sets how much is told of packets (SPEC §7). */
export function setLogging(document: RulesetDocument, level: LogLevel): EditOutcome {
  const opened = openDocument(document, 'inbound');
  if ('kind' in opened) return opened;
  const { yaml, ruleset } = opened;
  const words = (now: LogLevel): string => (now === 'off' ? 'off' : `on (${now})`);
  if (ruleset.logging === level)
    return { kind: 'unchanged', text: document.text, message: `logging is ${words(level)} already` };
  const pair = pairOf(yaml.root!, 'logging');
  if (pair?.value && !isOwnText(pair.value))
    return byHand(document, opened.at, 'inbound', '"logging" carries a YAML anchor, alias or tag');
  return accept(opened, setKey(yaml, yaml.root!, 'logging', scalarText(yaml, level, 'flow')), {
    rules: opened.rules.map(shapeOf),
    logging: level,
    message: `logging is now ${words(level)} (was ${words(ruleset.logging)})`,
  });
}

/** Throws the UDP switch of the inbound section, or of a server. */
export function setUdp(document: RulesetDocument, udp: 'on' | 'off', server?: string): EditOutcome {
  const section = incoming(server);
  const opened = openDocument(document, section);
  if ('kind' in opened) return opened;
  const now = sectionIn(opened.ruleset, section);
  if ((now?.udp ?? 'on') === udp)
    return named(server, { kind: 'unchanged', text: document.text, message: `udp is ${udp} already` });
  const text = withSetting(opened.yaml, section, 'udp', scalarText(opened.yaml, udp, 'flow'));
  if (text === null) return byHand(document, opened.at, section, `"${nameOf(section)}" is not a map written out here`);
  const opens = opened.rules.filter(
    ({ enabled, action, match }) =>
      enabled && action === 'allow' && (match.protocols === ANY || match.protocols.includes(PROTOCOL.UDP)),
  );
  const byRows = opens.map(({ match, text: row }) => `${udpPorts(match)} by ${row}`);
  const opening = now?.default === 'allow' ? [...byRows, 'every other port by the default'] : byRows;
  const list = opening.length > 0 ? `; it opens ${opening.join(', ')}` : '; no row lets any in';
  const outcome = accept(opened, text, {
    rules: opened.rules.map(shapeOf),
    udp,
    message: udp === 'off' ? 'udp is now off: UDP that begins outside drops before the rows' : `udp is now on${list}`,
  });
  return named(server, outcome);
}

/** What was done, with the server it was done to. */
function named(server: string | undefined, outcome: EditOutcome): EditOutcome {
  if (server === undefined || outcome.kind === 'refused') return outcome;
  return { ...outcome, message: `${server}: ${outcome.message}` };
}

function udpPorts({ toPorts }: Match): string {
  return toPorts === ANY ? 'every UDP port' : `${toPorts.map(formatPortRange).join(',')}/udp`;
}

/** Number of a row as `status` shows it. */
function numberOf({ offset }: Opened, index: number): number {
  return offset + index + 1;
}

/** The section a row belongs to by its own words: `allow out 53`. */
function sectionOfRow(row: string, server?: string): EditedSection {
  if (server !== undefined) return { server };
  const [, second = ''] = splitRow(row).body.split(' ');
  return directionOf(second) === 'out' ? 'outbound' : 'inbound';
}

/** The section a row that is there belongs to: numbers go on from inbound to outbound. */
function sectionOfReference(document: RulesetDocument, reference: RuleReference, server?: string): EditedSection {
  if (server !== undefined) return { server };
  const text = String(reference).trim();
  if (text.includes(' ')) return sectionOfRow(text);
  const { ruleset } = parseText(document, document.text);
  if (!ruleset) return 'inbound';
  if (/^\d+$/.test(text)) {
    const beyond = Number(text) > ruleset.inbound.rules.length && ruleset.outbound.rules.length > 0;
    return beyond ? 'outbound' : 'inbound';
  }
  const has = (name: 'inbound' | 'outbound'): boolean =>
    ruleset[name].rules.some(({ id }) => id === text || `${name}/${id}` === text);
  return !has('inbound') && has('outbound') ? 'outbound' : 'inbound';
}

function addOrInsert(
  document: RulesetDocument,
  row: string,
  given: number | null,
  server: string | undefined,
): EditOutcome {
  const opened = openDocument(document, sectionOfRow(row, server));
  if ('kind' in opened) return opened;
  const last = opened.rules.length + 1;
  // A number before the section's first row is its first place: insert 1 allow out … puts a row on top, as in ufw.
  const position = given === null ? null : Math.max(1, given - opened.offset);
  if (position !== null && (given! < 1 || !isPosition(position, last))) return noPosition(opened, given!, last);
  const parts = splitRow(row);
  const read = readRow(opened, joinRow({ ...parts, id: undefined }));
  if ('kind' in read) return read;
  const { same, above } = findSame(opened, read);
  if (same !== undefined) return repeat(opened, same, read, parts, position);

  const index = (position ?? (above === undefined ? last : above + 1)) - 1;
  const id = parts.id ?? newRuleId(read, new Set(opened.rules.map((rule) => rule.id)));
  // Dashboard rows have no place for an id.
  const body = read.written.dashboardRow ? withAction(read.text, read) : parts.body;
  return accept(opened, withRowInserted(opened.yaml, opened.list, index, joinRow({ ...parts, body, id })), {
    rules: opened.rules.map(shapeOf).toSpliced(index, 0, { ...shapeOf(read), id }),
    message: [
      `${position === null && above === undefined ? 'added' : 'inserted'} rule ${numberOf(opened, index)}: ${read.text}`,
      ...(read.untilMs === undefined ? [] : [`until ${formatMoment(read.untilMs)}`]),
      ...(above === undefined ? [] : [`then "${opened.rules[above].text}" decides again`]),
    ].join(', '),
  });
}

/** The row that the verb is about, where one has the same match; or the one without end that its row with an end goes above. */
function findSame({ rules }: Opened, read: Rule): { same?: number; above?: number } {
  const matching = rules.flatMap((rule, i) => (matchText(rule) === matchText(read) ? [i] : []));
  const ending = matching.find((i) => rules[i].untilMs !== undefined);
  const lasting = matching.find((i) => rules[i].untilMs === undefined);
  if (read.untilMs === undefined) return { same: lasting ?? ending };
  if (ending !== undefined || lasting === undefined) return { same: ending };
  const { action, limit, enabled } = rules[lasting];
  const decidesSame = enabled && action === read.action && isDeepStrictEqual(limit, read.limit);
  return decidesSame ? { same: lasting } : { above: lasting };
}

/** A verb that names what row `same` matches already. */
function repeat(opened: Opened, same: number, read: Rule, parts: RowParts, position: number | null): EditOutcome {
  const { document, rules } = opened;
  const old = rules[same];
  const [note, id] = [read.note ?? old.note, parts.id ?? old.id];
  if (read.untilMs !== undefined && old.untilMs === undefined) {
    const message = `skipping, already there without end as rule ${numberOf(opened, same)}: ${old.text}`;
    return { kind: 'unchanged', text: document.text, message };
  }
  if (
    old.action === read.action &&
    isDeepStrictEqual(old.limit, read.limit) &&
    old.log === read.log &&
    old.untilMs === read.untilMs &&
    old.note === note &&
    old.enabled &&
    old.id === id
  ) {
    const hint =
      position !== null && position !== same + 1
        ? {
            hint: `sluice move ${numberOf(opened, same)} to ${numberOf(opened, Math.min(position, rules.length) - 1)}${optionFor(opened.section)}`,
          }
        : {};
    const message = `skipping, already there as rule ${numberOf(opened, same)}: ${old.text}`;
    return { kind: 'unchanged', text: document.text, message, ...hint };
  }
  const text = replaceRow(opened, same, { rule: read, note, id, until: parts.until, comment: parts.comment });
  if (text === null)
    return byHand(
      document,
      opened.at,
      opened.section,
      `rule ${numberOf(opened, same)} carries a YAML anchor, alias or tag`,
    );
  const to = position === null ? same : Math.min(position, rules.length) - 1;
  const shape = { ...shapeOf(old), text: read.text, enabled: true, log: read.log, untilMs: read.untilMs, note, id };
  const end = old.untilMs === read.untilMs ? '' : `, ${endWords(read)} (was ${endWords(old)})`;
  const done =
    old.text === read.text
      ? `changed rule ${numberOf(opened, same)}: ${read.text}${end}`
      : `replaced rule ${numberOf(opened, same)}: ${read.text} (was ${old.text})${end}`;
  return accept(opened, to === same ? text : moved(openYaml(text, opened.yaml.server), opened.section, same, to), {
    rules: rules.map(shapeOf).toSpliced(same, 1).toSpliced(to, 0, shape),
    message: to === same ? done : `${done}, now rule ${numberOf(opened, to)}`,
  });
}

function endWords({ untilMs }: Rule): string {
  return untilMs === undefined ? 'without end' : `until ${formatMoment(untilMs)}`;
}

function moved(yaml: YamlText, section: EditedSection, from: number, to: number): string {
  const list = findRows(yaml, section);
  if (list.kind === 'none' || list.kind === 'refused') throw new TypeError('the rows are gone');
  return withRowMoved(yaml, list, from, to);
}

/** Index of the row after the move. */
function destination(opened: Opened, from: number, target: MoveTarget): number | EditRefused {
  const count = opened.rules.length;
  if ('to' in target) {
    const to = target.to - opened.offset;
    return isPosition(to, count) ? to - 1 : noPosition(opened, target.to, count);
  }
  const neighbour = indexOf(opened, 'before' in target ? target.before : target.after);
  if (typeof neighbour !== 'number' || neighbour === from) return neighbour;
  const place = 'before' in target ? neighbour : neighbour + 1;
  // Taking the row away first shifts everything below it.
  return place > from ? place - 1 : place;
}

function isPosition(value: number, last: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= last;
}

function noPosition(opened: Opened, position: number, last: number): EditRefused {
  const { section, offset } = opened;
  const of = section === 'outbound' ? ' of outgoing rules' : '';
  const hint =
    last === 1 ? `the only position${of} is ${offset + 1}` : `positions${of} go from ${offset + 1} to ${offset + last}`;
  return refuse(opened, 'edit/position', `there is no position ${position}`, hint);
}
