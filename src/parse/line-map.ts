/**
 * Maps of texts that end in their line, as a hundred thousand rows may be: what is kept of them is where their keys and
 * values stand, in one array for all. Nodes are made when somebody looks, and are gone when he has seen them.
 */
import type { MapEntry, MapNode, TextNode } from './document-node';

const QUOTE = 0x22;
const APOSTROPHE = 0x27;

/** Whether a value that begins with this character is in quotes. */
export function isQuote(code: number): boolean {
  return code === QUOTE || code === APOSTROPHE;
}

/** The node of a key or value from `start` to `end`, in quotes or not. */
export function textNode(text: string, start: number, end: number): TextNode {
  if (!isQuote(text.charCodeAt(start)))
    return { kind: 'text', text: text.slice(start, end), style: 'plain', start, end, exactStart: start };
  return { kind: 'text', text: text.slice(start + 1, end - 1), style: 'quoted', start, end, exactStart: start + 1 };
}

/** Numbers of an entry: from where to where its key stands, and its value. */
const ENTRY = 4;
/** Numbers of a map at most: its entries are made anew whenever somebody looks. */
export const LINE_MAP_MAX = 16 * ENTRY;

/** Where the entries of all maps of a text stand. */
export class Spans {
  /** Numbers in use. */
  count = 0;
  #numbers = new Int32Array(1024);

  constructor(private readonly text: string) {}

  add(keyStart: number, keyEnd: number, valueStart: number, valueEnd: number): void {
    const at = this.count;
    if (at + ENTRY > this.#numbers.length) {
      const grown = new Int32Array(2 * this.#numbers.length);
      grown.set(this.#numbers);
      this.#numbers = grown;
    }
    const numbers = this.#numbers;
    numbers[at] = keyStart;
    numbers[at + 1] = keyEnd;
    numbers[at + 2] = valueStart;
    numbers[at + 3] = valueEnd;
    this.count = at + ENTRY;
  }

  /** Whether two of the entries from `first` on have the same key. */
  hasDuplicateKey(first: number): boolean {
    for (let one = first + ENTRY; one < this.count; one += ENTRY) {
      for (let other = first; other < one; other += ENTRY) if (this.#isSameKey(one, other)) return true;
    }
    return false;
  }

  #isSameKey(one: number, other: number): boolean {
    const { text } = this;
    const numbers = this.#numbers;
    const length = numbers[one + 1] - numbers[one];
    if (numbers[other + 1] - numbers[other] !== length) return false;
    let i = 0;
    while (i < length && text.charCodeAt(numbers[one] + i) === text.charCodeAt(numbers[other] + i)) i++;
    return i === length;
  }

  /** The entries from one number to another. */
  entries(first: number, end: number): MapEntry[] {
    const { text } = this;
    const numbers = this.#numbers;
    const entries: MapEntry[] = [];
    for (let at = first; at < end; at += ENTRY) {
      entries.push({
        key: textNode(text, numbers[at], numbers[at + 1]),
        value: textNode(text, numbers[at + 2], numbers[at + 3]),
      });
    }
    return entries;
  }
}

/** Such a map. */
export class LineMap implements MapNode {
  readonly kind = 'map';

  constructor(
    private readonly spans: Spans,
    private readonly first: number,
    private readonly last: number,
    readonly start: number,
    readonly end: number,
  ) {}

  get entries(): readonly MapEntry[] {
    return this.spans.entries(this.first, this.last);
  }
}
