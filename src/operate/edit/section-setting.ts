/** Keys of a section beside its rows. */
import { isMap } from 'yaml';
import { type EditedSection, pairAt } from './edited-section';
import { contentEnd, insertLine, isNothing, isOwnText, setKey, setValue, type YamlText } from './yaml-text';

/** The text with a key of a section set; `value` is finished YAML. Null where the section is not a map written out here. */
export function withSetting(yaml: YamlText, section: EditedSection, key: string, value: string): string | null {
  const root = yaml.root!;
  const pair = pairAt(yaml, section);
  const quoted = (name: string): string => (yaml.json ? JSON.stringify(name) : name);
  if (pair && !isNothing(pair.value)) {
    if (!isMap(pair.value) || !isOwnText(pair.value)) return null;
    return setKey(yaml, pair.value, key, value, 'first');
  }
  if (typeof section !== 'string') return null;
  const map = `{ ${quoted(key)}: ${value} }`;
  if (pair) return setValue(yaml.text, pair, map);
  if (root.flow) return setKey(yaml, root, section, map);
  return insertLine(yaml, contentEnd(root), `${section}:${yaml.lineEnd}  ${key}: ${value}`);
}
