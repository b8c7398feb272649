/** A readable difference of two rulesets' texts, file by file where there are several. */
import { type Bundle, splitBundle, splitPart } from '../parse/bundle';
import { diffLines, renderDiff } from './line-diff';

/** As `renderDiff`; of a ruleset of several files each that differs, under a line with its path. Empty where none does. */
export function renderTextDiff(before: string, after: string): string {
  const [old, now] = [before, after].map(filesOf);
  const paths = [...new Set([...old.keys(), ...now.keys()])].sort();
  if (paths.length === 1) return renderDiff(diffLines(old.get(paths[0]) ?? '', now.get(paths[0]) ?? ''));
  return paths
    .filter((path) => old.get(path) !== now.get(path))
    .map((path) => {
      const fate = old.has(path) ? (now.has(path) ? '' : ' (taken away)') : ' (new)';
      const name = path === '' ? 'the ruleset file' : path;
      return `${name}${fate}:\n${renderDiff(diffLines(old.get(path) ?? '', now.get(path) ?? ''))}`;
    })
    .join('');
}

/** By path; the ruleset file's is empty, and stands first. */
function filesOf(text: string): Map<string, string> {
  const lone = splitPart(text);
  const { main, parts }: Bundle = lone ? { main: lone.text, dir: null, parts: [] } : splitBundle(text);
  return new Map([['', main], ...parts.map((part) => [part.path, part.text] as const)]);
}
