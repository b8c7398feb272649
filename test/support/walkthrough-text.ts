/**
 * Walk-throughs as text: Markdown that readers see and CI executes.
 *
 * - A fenced block `yaml title=rules.yaml` (any language) is a file, written before the next command runs. A block
 *   `frames title=odd.pcap` holds one frame a line in hex (`#` begins a comment) and is written as a capture file.
 * - In a `console` block, `edge$ command` runs in that host (`$ command` where no host matters: edge), `> ` continues
 *   it, and the lines below are what it prints, both streams, ending with `[exit 3]` where the status is not 0. A line
 *   `...` stands for any lines. The text behind `#` in `[exit 3]  # why` is for readers.
 * - What varies is masked: `{{n:17}}` is a number and shown to readers as 17; kinds are n, hex, word, time, text.
 *   `{{n:17@hits}}` must be the same text wherever `@hits` stands in the file.
 */

export const HOSTS = ['edge', 'office', 'home', 'phone', 'wire', 'gpu-17', 'gpu-18', 'gpu-19'] as const;
export type Host = (typeof HOSTS)[number];

export interface FileBlock {
  readonly kind: 'file';
  readonly language: string;
  readonly title: string;
  readonly text: string;
}

export interface Step {
  readonly kind: 'step';
  readonly host: Host;
  readonly command: string;
  /** Line number of the prompt, from 1. */
  readonly line: number;
  /** Expected output, without blank lines at its end. */
  readonly expected: readonly string[];
  /** Where the expected lines stand: index of the first, and behind the last. */
  readonly from: number;
  readonly to: number;
}

export type WalkthroughPart = FileBlock | Step;

const PROMPT = new RegExp(`^(${HOSTS.join('|')})?\\$ (.*)$`);
const FENCE = /^```(.*)$/;
const MASK = /\{\{(n|hex|word|time|text)(?::([^{}@]*))?(?:@([a-z0-9_]+))?\}\}/g;
const MASK_PATTERNS: Record<string, string> = {
  n: String.raw`\d+(?:\.\d+)?`,
  hex: '[0-9a-f]+',
  word: String.raw`\S+`,
  time: String.raw`(?:\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?Z?)?|\d\d:\d\d:\d\d|just now|now|\d+(?:\.\d+)? ?(?:ns|µs|ms|s|min|h|d)\b(?: ago)?)`,
  text: '.*?',
};

/** Reads a walk-through; throws an Error naming the line where its form is wrong. */
export function parseWalkthrough(text: string): WalkthroughPart[] {
  const lines = text.split('\n');
  const parts: WalkthroughPart[] = [];
  for (let i = 0; i < lines.length; i++) {
    const fence = FENCE.exec(lines[i]);
    if (!fence) continue;
    const end = lines.indexOf('```', i + 1);
    if (end === -1) throw new Error(`line ${i + 1}: the block is never closed`);
    const [language, ...words] = fence[1].trim().split(/\s+/);
    const title = words.find((word) => word.startsWith('title='))?.slice('title='.length);
    if (title !== undefined) {
      parts.push({ kind: 'file', language, title, text: `${lines.slice(i + 1, end).join('\n')}\n` });
    } else if (language === 'console') {
      parts.push(...parseSteps(lines, i + 1, end));
    }
    i = end;
  }
  return parts;
}

function parseSteps(lines: readonly string[], begin: number, end: number): Step[] {
  const steps: Step[] = [];
  for (let i = begin; i < end;) {
    const prompt = PROMPT.exec(lines[i]);
    if (!prompt) throw new Error(`line ${i + 1}: a console block begins with a prompt, found "${lines[i]}"`);
    const line = i + 1;
    const command = [prompt[2]];
    for (i++; i < end && lines[i].startsWith('> '); i++) command.push(lines[i].slice(2));
    const from = i;
    while (i < end && !PROMPT.test(lines[i])) i++;
    let to = i;
    while (to > from && lines[to - 1].trim() === '') to--;
    const expected = lines.slice(from, to);
    steps.push({
      kind: 'step',
      host: (prompt[1] ?? 'edge') as Host,
      command: command.join('\n'),
      line,
      expected,
      from,
      to,
    });
  }
  return steps;
}

/** Names bound by `@name`, with the text they stand for. */
export type Bindings = Map<string, string>;

/**
 * Whether the output is what is expected; names found are added to `bindings`. Returns, for each expected line, how
 * many output lines it stands for, or null.
 */
export function matchOutput(
  expected: readonly string[],
  actual: readonly string[],
  bindings: Bindings,
): number[] | null {
  if (expected.length === 0) return actual.length === 0 ? [] : null;
  const [line, ...rest] = expected;
  if (line.trim() === '...') {
    for (let taken = 0; taken <= actual.length; taken++) {
      const tail = matchOutput(rest, actual.slice(taken), bindings);
      if (tail) return [taken, ...tail];
    }
    return null;
  }
  if (actual.length === 0) return null;
  const found = matchLine(line, actual[0], bindings);
  if (!found) return null;
  const tail = matchOutput(rest, actual.slice(1), found);
  if (!tail) return null;
  for (const [name, value] of found) bindings.set(name, value);
  return [1, ...tail];
}

/** The bindings after one line, or null where it does not match. */
export function matchLine(expected: string, actual: string, bindings: Bindings): Bindings | null {
  const wanted = expected.replace(/^(\[exit \d+\])\s+#.*$/, '$1');
  const names: (string | undefined)[] = [];
  let pattern = '';
  let position = 0;
  for (const mask of wanted.matchAll(MASK)) {
    pattern += quote(wanted.slice(position, mask.index));
    pattern += `(${MASK_PATTERNS[mask[1]]})`;
    names.push(mask[3]);
    position = mask.index + mask[0].length;
  }
  pattern += quote(wanted.slice(position));
  // Columns move when a masked value is longer or shorter than its sample: runs of blanks match runs of blanks.
  const found = new RegExp(`^${names.length > 0 ? pattern.replaceAll(/ +/g, ' +') : pattern}$`).exec(actual);
  if (!found) return null;
  const result = new Map(bindings);
  for (const [i, name] of names.entries()) {
    if (name === undefined) continue;
    const value = found[i + 1];
    if ((result.get(name) ?? value) !== value) return null;
    result.set(name, value);
  }
  return result;
}

function quote(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
}

/** Expected against found, for a failure message. */
export function renderDifference(expected: readonly string[], actual: readonly string[], bindings: Bindings): string {
  const out: string[] = [];
  let e = 0;
  let a = 0;
  const known = new Map(bindings);
  while (e < expected.length || a < actual.length) {
    const found = e < expected.length && a < actual.length ? matchLine(expected[e], actual[a], known) : null;
    if (found) {
      out.push(`    ${actual[a]}`);
      e++;
      a++;
      continue;
    }
    // Whichever side finds its partner sooner on the other is the one that has a line too many.
    const skipActual =
      e < expected.length ? actual.slice(a).findIndex((line) => matchLine(expected[e], line, known)) : -1;
    const skipExpected =
      a < actual.length ? expected.slice(e).findIndex((line) => matchLine(line, actual[a], known)) : -1;
    if (a < actual.length && skipActual > 0 && (skipExpected < 0 || skipActual <= skipExpected))
      out.push(`  + ${actual[a++]}`);
    else if (e < expected.length) out.push(`  - ${expected[e++]}`);
    else out.push(`  + ${actual[a++]}`);
  }
  return out.join('\n');
}

/**
 * The expected lines that an update writes: lines that still hold keep their masks, the others are taken from the
 * output.
 */
export function updatedLines(expected: readonly string[], actual: readonly string[], bindings: Bindings): string[] {
  if (matchOutput(expected, actual, new Map(bindings))) return [...expected];
  let next = 0;
  return actual.map((line) => {
    const index = expected.findIndex((candidate, i) => i >= next && matchLine(candidate, line, bindings) !== null);
    if (index === -1) return line;
    next = index + 1;
    return expected[index];
  });
}

/** The text with the expected lines of steps replaced. */
export function rewriteSteps(text: string, steps: readonly { step: Step; lines: readonly string[] }[]): string {
  const lines = text.split('\n');
  for (const { step, lines: replacement } of [...steps].sort((a, b) => b.step.from - a.step.from)) {
    lines.splice(step.from, step.to - step.from, ...replacement);
  }
  return lines.join('\n');
}
