/** Replaces what a row decides, keeping its place, its comments and its id. */
import { isDeepStrictEqual } from 'node:util';
import { isMap, type YAMLMap } from 'yaml';
import { type Limit, UFW_LIMIT } from '../../model/limit';
import type { Rule } from '../../model/ruleset';
import { formatLimit, formatRate } from '../../parse/limit';
import type { EditedSection } from './edited-section';
import { type Opened, rowsOf } from './opened';
import { findRows, withRowReplaced } from './row-list';
import { joinRow, splitRow, withAction } from './row-text';
import { isOwnText, openYaml, pairOf, removeKey, scalarText, setKey, type YamlText } from './yaml-text';

/** The row as it is to be: the match is the old one's. */
export interface NewRow {
  readonly rule: Rule;
  readonly note: string | undefined;
  readonly id: string;
  /** As the verb gave it; undefined: the row has no end. */
  readonly until: string | undefined;
  /** From the word `comment` on, empty where the verb gave none. */
  readonly comment: string;
}

/** The text with row `index` replaced; null where its YAML must not be touched. */
export function replaceRow(opened: Opened, index: number, row: NewRow): string | null {
  const list = rowsOf(opened);
  const node = list.rows[index].node;
  if (node && !isOwnText(node)) return null;
  if (node && isMap(node)) return replaceObject(opened, index, row);
  const { start, end } = list.rows[index];
  const old = splitRow(node ? String((node as { value?: unknown }).value) : opened.yaml.text.slice(start, end));
  // Dashboard rows have no place for an id.
  const dashboard = opened.rules[index].written.dashboardRow;
  const limits = [opened.rules[index], row.rule].some(({ limit }) => limit && formatLimit(limit) !== '');
  const body = withAction(dashboard || limits ? row.rule.text : old.body, row.rule);
  const comment = row.comment === '' ? old.comment : row.comment;
  return withRowReplaced(opened.yaml, list, index, joinRow({ body, id: row.id, until: row.until, comment }));
}

/** Values of the key `log`. */
const LOG_VALUE = { off: 'off', new: 'on', all: 'all' } as const;

/** Only the keys that differ are written, so that the object keeps its form. */
function replaceObject(opened: Opened, index: number, row: NewRow): string {
  const old = opened.rules[index];
  const changes: (readonly [string, string])[] = [];
  if (old.action !== row.rule.action) changes.push(['action', row.rule.action]);
  if (old.log !== row.rule.log) changes.push(['log', LOG_VALUE[row.rule.log ?? 'off']]);
  if (row.note !== undefined && row.note !== old.note) changes.push(['note', row.note]);
  if (row.until !== undefined && old.untilMs !== row.rule.untilMs)
    changes.push(['until', row.until.replace(/^(['"])(.*)\1$/, '$2')]);
  const { limit } = row.rule;
  const limitKeys: Readonly<Record<string, string | null>> = {
    limit: limit && !sameRate(limit, UFW_LIMIT) ? formatRate(limit) : null,
    per: limit && !isDeepStrictEqual(limit.prefix, UFW_LIMIT.prefix) ? `/${limit.prefix[4]},/${limit.prefix[6]}` : null,
    verdict: limit && limit.verdict !== UFW_LIMIT.verdict ? limit.verdict : null,
  };
  if (!isDeepStrictEqual(old.limit, limit))
    for (const [key, value] of Object.entries(limitKeys)) if (value !== null) changes.push([key, value]);
  if (!old.idIsExplicit || old.id !== row.id) changes.push(['id', row.id]);
  let yaml = opened.yaml;
  const write = (key: string, encode: (yaml: YamlText, map: YAMLMap) => string): void => {
    const map = objectAt(yaml, opened.section, index);
    yaml = openYaml(setKey(yaml, map, key, encode(yaml, map)), yaml.server);
  };
  for (const [key, value] of changes)
    write(key, (current, map) => scalarText(current, value, map.flow ? 'flow' : 'block'));
  if (!isDeepStrictEqual(old.limit, limit))
    for (const [key, value] of Object.entries(limitKeys))
      if (value === null) yaml = openYaml(removeKey(yaml, objectAt(yaml, opened.section, index), key), yaml.server);
  if (row.until === undefined)
    yaml = openYaml(removeKey(yaml, objectAt(yaml, opened.section, index), 'until'), yaml.server);
  if (!old.enabled && pairOf(objectAt(yaml, opened.section, index), 'enabled')) write('enabled', () => 'true');
  return yaml.text;
}

function sameRate(a: Limit, b: Limit): boolean {
  return a.count === b.count && a.windowMs === b.windowMs;
}

function objectAt(yaml: YamlText, section: EditedSection, index: number): YAMLMap {
  const list = findRows(yaml, section);
  const node = list.kind === 'none' || list.kind === 'refused' ? undefined : list.rows[index].node;
  if (!isMap(node)) throw new TypeError('the row is no longer an object');
  return node;
}
