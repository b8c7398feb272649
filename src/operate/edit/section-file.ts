/** The file in which a section stands: the ruleset file, or that of a server. Edits are made in it alone. */
import { dirname, join } from 'node:path';
import { joinBundle, partOf, splitBundle, withPart } from '../../parse/bundle';
import { type EditedSection, nameOf } from './edited-section';
import { openYaml, type YamlText } from './yaml-text';

/** One file of a ruleset's text, open for an edit. */
export interface SectionFile {
  readonly yaml: YamlText;
  /** Its path, as findings name it. */
  readonly path: string;
  /** The whole text with another one in the place of this file. */
  readonly whole: (text: string) => string;
}

/** Opens the file of a section, or of a server. `file`: path of the ruleset file. */
export function openSectionFile(text: string, file: string, section: EditedSection | 'guard'): SectionFile {
  const bundle = splitBundle(text);
  if (bundle.dir === null) return { yaml: openYaml(text), path: file, whole: (changed) => changed };
  const part = typeof section === 'string' ? undefined : partOf(bundle, nameOf(section));
  if (!part) return { yaml: openYaml(bundle.main), path: file, whole: (main) => joinBundle({ ...bundle, main }) };
  return {
    yaml: openYaml(part.text, nameOf(section)),
    path: join(dirname(file), part.path),
    whole: (changed) => joinBundle(withPart(bundle, part.path, changed)),
  };
}
