/**
 * A report that CI systems read: JUnit's XML, as far as GitLab, Jenkins and the reporters of GitHub agree about it
 * (`testsuites` > `testsuite` > `testcase` with `failure` or `skipped`). What a ruleset holds comes out as text: nothing
 * in it ends an attribute, an element or the document.
 */
import { escapeLines } from './display';

/** One line of the report. */
export interface JunitCase {
  readonly name: string;
  /** Where it stands; left out for what is about the whole file. */
  readonly file?: string;
  readonly line?: number;
  /** Set where it does not hold: one line, and all there is to say. */
  readonly failure?: { readonly message: string; readonly text: string };
  /** Set where it could not be tried: why. */
  readonly skipped?: string;
}

/** The report of one ruleset; `suite` names it, and is the class of each case. */
export function renderJunit(suite: string, cases: readonly JunitCase[]): string {
  const failures = cases.filter(({ failure }) => failure !== undefined).length;
  const skipped = cases.filter(({ skipped: reason }) => reason !== undefined).length;
  const counts = { tests: cases.length, failures, errors: 0 };
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites${attributes({ name: 'sluice', ...counts })}>`,
    `  <testsuite${attributes({ name: suite, ...counts, skipped })}>`,
    ...distinct(cases).map((one) => renderCase(suite, one)),
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}

/** Readers take two cases of one name for one: the second of a name says so. */
function distinct(cases: readonly JunitCase[]): JunitCase[] {
  const seen = new Map<string, number>();
  return cases.map((one) => {
    const times = (seen.get(one.name) ?? 0) + 1;
    seen.set(one.name, times);
    return times === 1 ? one : { ...one, name: `${one.name} (${times})` };
  });
}

function renderCase(suite: string, { name, file, line, failure, skipped }: JunitCase): string {
  const open = `    <testcase${attributes({ name, classname: suite, file, line, time: '0' })}`;
  if (failure) {
    const { message, text } = failure;
    return `${open}>\n      <failure${attributes({ message, type: 'expect' })}>${escapeXml(text)}</failure>\n    </testcase>`;
  }
  if (skipped !== undefined) return `${open}>\n      <skipped${attributes({ message: skipped })}/>\n    </testcase>`;
  return `${open}/>`;
}

function attributes(values: Readonly<Record<string, string | number | undefined>>): string {
  return Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}="${escapeXml(String(value)).replaceAll('\n', '&#10;').replaceAll('\t', '&#9;')}"`)
    .join('');
}

/** XML 1.0 has no way to write most control characters: they come out as a terminal would show them, `\x1b`. */
function escapeXml(text: string): string {
  return escapeLines(text)
    .replace(/[\ufffe\uffff]/g, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
