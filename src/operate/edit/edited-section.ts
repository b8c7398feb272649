/** The section that a verb edits: in the model, and in the text. */
import { isMap, type Node, Pair, Scalar, type YAMLMap } from 'yaml';
import type { Ruleset, Section } from '../../model/ruleset';
import { isOwnText, pairOf, type YamlText } from './yaml-text';

/** Sections whose rows verbs edit; a server by its name. */
export type EditedSection = 'inbound' | 'outbound' | { readonly server: string };

/** Inbound, or a server where one is named. */
export function incoming(server: string | undefined): EditedSection {
  return server === undefined ? 'inbound' : { server };
}

/** What stands before ids outside the section. */
export function nameOf(section: EditedSection | 'guard'): string {
  return typeof section === 'string' ? section : section.server;
}

/** Its rows and settings; undefined where there is no such server. */
export function sectionIn(ruleset: Ruleset, section: EditedSection): Section | undefined {
  if (typeof section === 'string') return ruleset[section];
  return ruleset.servers?.find(({ name }) => name === section.server);
}

/** The ruleset with other settings or rows of the section. */
export function withSection(ruleset: Ruleset, section: EditedSection, changed: Partial<Section>): Ruleset {
  if (typeof section === 'string') return { ...ruleset, [section]: { ...ruleset[section], ...changed } };
  const servers = ruleset.servers?.map((one) => (one.name === section.server ? { ...one, ...changed } : one));
  return { ...ruleset, ...(servers && { servers }) };
}

/** Its key in the text, with what stands behind it; of a server whose `servers` is not written out, `servers` itself. */
export function pairAt(
  { root, server }: YamlText,
  section: EditedSection | 'guard',
): Pair<Node, Node | null> | undefined {
  if (!root) return undefined;
  if (server !== undefined) return wholeFile(root, server);
  if (typeof section === 'string') return pairOf(root, section);
  const servers = pairOf(root, 'servers');
  return isMap(servers?.value) && isOwnText(servers.value) ? pairOf(servers.value, section.server) : servers;
}

/** Whether it stands inside braces, so that lines cannot be added to it. */
export function isInFlow(yaml: YamlText, section: EditedSection): boolean {
  const found = pairAt(yaml, section)?.value;
  return isMap(found) && found.flow === true;
}

/** What a line to paste needs so that it is about this section. */
export function optionFor(section: EditedSection): string {
  return typeof section === 'string' ? '' : ` --server ${section.server}`;
}

/** The file of a server as if its name stood before it. */
function wholeFile(root: YAMLMap, server: string): Pair<Node, Node | null> {
  const key = new Scalar(server);
  const start = root.range?.[0] ?? 0;
  key.range = [start, start, start];
  return new Pair<Node, Node | null>(key, root);
}
