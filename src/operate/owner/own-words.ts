/**
 * The words of an owner, read as if his server were the only one and the provider had no sets and services: so neither
 * what they mean nor what is said of them tells him anything of the rest.
 */
import type { Diagnostic } from '../../diagnostics/diagnostic';
import { formatPortRange } from '../../model/port-range';
import { formatPrefix } from '../../model/prefix';
import type { Rule, Server } from '../../model/ruleset';
import { parseRuleset } from '../../parse/parse';
import { OWNER_VERBS } from '../../parse/schema';
import { addRule } from '../edit-ruleset';
import type { EditVerb } from '../edit/verbs';
import { joinRow } from '../edit/row-words';
import { OwnerRefusal } from './refusal';

/** Rows among the words of a verb, as they would stand in a file. */
export function rowsAmong(verb: EditVerb, words: readonly string[]): string[] {
  switch (verb) {
    case 'allow':
    case 'deny':
    case 'reject':
    case 'limit':
      return [joinRow([verb, ...words])];
    case 'insert':
      return words.length > 1 ? [joinRow(words.slice(1))] : [];
    case 'delete':
      return isRow(words) ? [joinRow(words)] : [];
    case 'move': {
      const at = words.findIndex((word, i) => i > 0 && /^(?:before|after|to)$/i.test(word));
      return (at < 0 ? [] : [words.slice(0, at), words.slice(at + 1)]).filter(isRow).map((part) => joinRow(part));
    }
    default:
      return [];
  }
}

/** Whether a rule is named by its text; else it is by its number or its id. */
function isRow(words: readonly string[]): boolean {
  return /\s/.test(joinRow(words));
}

/** The findings of a row that is no row of this server; throws an `OwnerRefusal` where it says what owners cannot. */
export function findWrong(server: Server, row: string): readonly Diagnostic[] {
  const document = { text: aloneText(server), file: FILE };
  const outcome = addRule(document, row, server.name);
  if (outcome.kind === 'refused') return outcome.diagnostics.map(withoutSets);
  const { ruleset } = parseRuleset(outcome.text, { file: FILE, readFile: () => new Uint8Array() });
  const rule: Rule | undefined = ruleset?.servers?.[0].rules[0];
  if (rule?.log !== undefined)
    throw new OwnerRefusal('owner/provider', 'what is told of packets is the provider’s to say', {
      hint: 'nothing was changed; leave log out',
    });
  return [];
}

/**
 * A hint whose lines he can paste as they stand: by his socket, without the name that his provider types. What only stands
 * in the provider's file is left out where there is a line to type.
 */
export function ownHint(hint: string, server: string, socket: string): string {
  return hint
    .replace(/\b(?:ssh: \{[^}]*\}|udp: on), or: /g, '')
    .replaceAll(` --server ${server}`, '')
    .replaceAll(`sluice udp on ${server}`, 'sluice udp on')
    .replace(PASTED, `sluice --socket ${socket} `);
}

/** Before a verb of his. */
const PASTED = new RegExp(`\\bsluice (?=(?:${OWNER_VERBS.join('|')})\\b)`, 'g');

/** There are none that he could name. */
function withoutSets(finding: Diagnostic): Diagnostic {
  if (finding.hint === undefined || !/\b(?:sets|services):/.test(finding.hint)) return finding;
  return { ...finding, hint: 'sets are the provider’s, and services of his own too: write addresses and ports' };
}

/** Name of a file that is none. */
const FILE = 'your rows';

/** A ruleset of this server alone, without rows; written so that it is read without the YAML library, in a third of its time. */
function aloneText({ name, addresses, ports, udp, ssh, default: otherwise }: Server): string {
  const list = (items: readonly unknown[]): string => `[${items.map((item) => JSON.stringify(item)).join(', ')}]`;
  const section = {
    address: list(addresses.map(formatPrefix)),
    ...(ports && { ports: list(ports.map((range) => formatPortRange(range).replace(':', '-'))) }),
    ...{ udp: udp ?? 'on', default: otherwise },
    ...(ssh && { ssh: `{ port: ${list(ssh.ports)}, from: ${JSON.stringify(ssh.from)} }` }),
    rules: '[]',
  };
  const lines = Object.entries(section).map(([key, value]) => `    ${key}: ${value}\n`);
  return `version: 1\nservers:\n  ${PLAIN_KEY.test(name) ? name : JSON.stringify(name)}:\n${lines.join('')}`;
}

/** What YAML takes for nothing else than a word. */
const PLAIN_KEY = /^(?!(?:true|false|null|yes|no|on|off|y|n)$)[a-z][a-z0-9_-]*$/;
