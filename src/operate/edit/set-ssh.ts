/** Sets the SSH row of the inbound section or of a server, and shows what that changes in rows that name ssh. */
import { isDeepStrictEqual } from 'node:util';
import { isMap, type Node, type Pair, parseDocument, type YAMLMap } from 'yaml';
import { SluiceError } from '../../kernel/errors';
import type { SshRow } from '../../model/ruleset';
import { incoming, nameOf, optionFor, pairAt, sectionIn, type EditedSection } from './edited-section';
import { byHand, openDocument, parseText, refuse } from './opened';
import type { EditOutcome, RulesetDocument } from './outcome';
import { withSetting } from './section-setting';
import {
  contentEnd,
  isNothing,
  isOwnText,
  openYaml,
  pairOf,
  scalarText,
  setKey,
  setValue,
  splice,
  type YamlText,
} from './yaml-text';

/** The row as it is to be; what is left out stays, `from` where there is no row yet is `anyone`. */
export interface SshChange {
  readonly ports?: readonly number[];
  readonly from?: SshRow['from'];
}

/** Sets the SSH row (SPEC §4), or takes it away. */
export function setSsh(document: RulesetDocument, change: SshChange | 'off', server?: string): EditOutcome {
  const edited = incoming(server);
  const opened = openDocument(document, edited);
  if ('kind' in opened) return opened;
  const { yaml, ruleset } = opened;
  const now = sectionIn(ruleset, edited)?.ssh;
  const ports = change === 'off' ? [] : (change.ports ?? now?.ports);
  if (!ports)
    return refuse(
      opened,
      'edit/by-hand',
      'there is no SSH row yet, so its port must be said',
      `sluice ssh 22 from rules${optionFor(edited)}`,
    );
  const wanted =
    change === 'off'
      ? undefined
      : { ports: [...new Set(ports)].sort((a, b) => a - b), from: change.from ?? now?.from ?? 'anyone' };
  if (isDeepStrictEqual(wanted, now && { ports: now.ports, from: now.from }))
    return {
      kind: 'unchanged',
      text: document.text,
      message: wanted ? `${words(wanted)} already` : 'the SSH row is off already',
    };
  const section = pairAt(yaml, edited)?.value;
  const pair = isMap(section) ? pairOf(section, 'ssh') : undefined;
  if (pair?.value && !isOwnText(pair.value))
    return byHand(document, opened.at, edited, '"ssh" carries a YAML anchor, alias or tag');
  const changed = wanted
    ? withRow(yaml, edited, pair, wanted, isDeepStrictEqual(wanted.ports, now?.ports))
    : withoutRow(yaml, pair);
  if (changed === null) return byHand(document, opened.at, edited, `"${nameOf(edited)}" is not a map written out here`);
  const text = opened.at.whole(changed);
  const after = parseText(document, text);
  if (!after.ruleset) return { kind: 'refused', text, diagnostics: after.diagnostics };
  const { ssh, rules = [] } = sectionIn(after.ruleset, edited) ?? {};
  if (!isDeepStrictEqual(wanted, ssh && { ports: ssh.ports, from: ssh.from }) || !sameBut(yaml, changed, server))
    throw new SluiceError('operate/edit', 'the edit would have changed more than the SSH row, or less', {
      hint: 'nothing was written; edit the file by hand, and please report this',
    });
  // A row that says ssh is about the section's own port, whatever that is.
  const others = rules.flatMap((rule, i) =>
    rule.text === opened.rules[i].text ? [] : [`rule ${i + 1} is now ${rule.text} (was ${opened.rules[i].text})`],
  );
  const message = [`${words(wanted)} now (was ${now ? describe(now) : 'off'})`, ...others].join('; ');
  return { kind: 'changed', text, message, removedComments: [], diagnostics: after.diagnostics };
}

function words(row: Pick<SshRow, 'ports' | 'from'> | undefined): string {
  return row ? `the SSH row is ${describe(row)}` : 'the SSH row is off: only what your rows allow comes in to SSH';
}

function describe({ ports, from }: Pick<SshRow, 'ports' | 'from'>): string {
  return `${ports.join(',')}/tcp from ${from}`;
}

/** Keys of a map that is there are exchanged one by one, so that it keeps its form and comments. */
function withRow(
  yaml: YamlText,
  section: EditedSection,
  pair: Pair<Node, Node | null> | undefined,
  { ports, from }: Pick<SshRow, 'ports' | 'from'>,
  samePorts: boolean,
): string | null {
  const port = ports.length === 1 ? String(ports[0]) : `[${ports.join(', ')}]`;
  const quoted = (text: string): string => scalarText(yaml, text, 'flow');
  if (!isMap(pair?.value)) {
    const map = `{ ${quoted('port')}: ${port}, ${quoted('from')}: ${quoted(from)} }`;
    return pair ? setWhole(yaml.text, pair, map) : withSetting(yaml, section, 'ssh', map);
  }
  const again = samePorts ? yaml : openYaml(withKey(yaml, pair.value, 'port', port), yaml.server);
  return withKey(again, sshMap(again, section), 'from', quoted(from));
}

function withKey(yaml: YamlText, map: YAMLMap, key: string, value: string): string {
  const pair = pairOf(map, key);
  return pair ? setWhole(yaml.text, pair, value) : setKey(yaml, map, key, value);
}

function withoutRow(yaml: YamlText, pair: Pair<Node, Node | null> | undefined): string {
  return pair ? setWhole(yaml.text, pair, scalarText(yaml, 'off', 'flow')) : yaml.text;
}

/** Replaces a value that may be a block of lines. */
function setWhole(text: string, pair: Pair<Node, Node | null>, value: string): string {
  if (!pair.value || isNothing(pair.value)) return setValue(text, pair, value);
  const colon = text.indexOf(':', pair.key.range![1]) + 1;
  return splice(text, colon, contentEnd(pair.value), ` ${value}`);
}

function sshMap(yaml: YamlText, section: EditedSection): YAMLMap {
  return pairOf(pairAt(yaml, section)!.value as YAMLMap, 'ssh')!.value as YAMLMap;
}

/** Whether both texts hold the same but for the SSH row. */
function sameBut(before: YamlText, after: string, server: string | undefined): boolean {
  type Keys = Readonly<Record<string, unknown>>;
  const [one, other] = [before.text, after].map((text) => {
    // As written: YAML takes names such as 0x11 or null for something else.
    const plain = parseDocument(text, { logLevel: 'silent', schema: 'failsafe' }).toJS() as Keys & {
      servers?: Readonly<Record<string, Keys>>;
    };
    if (before.server !== undefined) return { ...plain, ssh: null };
    // A section that was not there, or empty, is one without keys.
    if (server === undefined) return { ...plain, inbound: { ...(plain.inbound as Keys | null), ssh: null } };
    return { ...plain, servers: { ...plain.servers, [server]: { ...plain.servers?.[server], ssh: null } } };
  });
  return isDeepStrictEqual(one, other);
}
