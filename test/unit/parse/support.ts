/** What the tests of `parse` share: a ruleset file in memory, its set files, and findings as one line each. */
import type { Ruleset } from '../../../src/model/ruleset';
import { parseRuleset, type ParseResult } from '../../../src/parse/parse';

export const FILE = '/etc/sluice/rules.yaml';
const files: Record<string, string> = {
  '/etc/sluice/lists/block.netset': '# list\n192.0.2.0/24\n198.51.100.7 ; note\n\n2001:db8::/32\r\n',
  '/etc/sluice/empty': '# nothing\n',
};
const readFile = (path: string): Uint8Array => {
  if (files[path] === undefined) throw new Error('there is no such file');
  return Buffer.from(files[path]);
};

export function parse(text: string | Uint8Array, strict = false): ParseResult {
  return parseRuleset(text, { file: FILE, readFile, strict });
}

/** `severity code line:column+length` of each finding. */
export function findings(text: string | Uint8Array, strict = false): string[] {
  return parse(text, strict).diagnostics.map(
    ({ severity, code, source }) => `${severity} ${code} ${source.line}:${source.column}+${source.length}`,
  );
}

/** The ruleset of a text that must have one. */
export function good(text: string): Ruleset {
  const { ruleset, diagnostics } = parse(text);
  if (!ruleset) throw new Error(diagnostics.map(({ message }) => message).join('\n'));
  return ruleset;
}

/** A ruleset of these lines of rows. */
export function inbound(rules: string): string {
  return `version: 1\ninbound:\n  rules:\n${rules}`;
}
