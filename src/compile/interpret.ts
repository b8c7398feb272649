/**
 * The walk of `bpf/classify.h` in TypeScript, over the same bytes and with the same steps: whose rows (the table's entry
 * of owners), section table, root block, three trees, smallest word, else the default's word. The middle witness between `model/evaluate.ts` and the kernel.
 */
import { SLC_KEY_WORD, SLC_LIMITS, SLC_ENTRY, SLC_WORD_NONE, SLC_WORD_RANK_SHIFT } from '../abi/layout.gen';
import { type Decision, judgeFrame, type Judges } from '../model/evaluate';
import { judgeLimit, type LimitedPacket, type LimitState, NO_LIMITS } from '../model/limit';
import { judgeOutgoingFrame } from '../model/outbound';
import type { Reason } from '../model/reason';
import type { FlowKey } from '../model/packet';
import { type GivenState, NO_STATE } from '../model/given-state';
import { portInRanges } from '../model/port-range';
import { type Family, maskWord } from '../model/prefix';
import type { Verdict } from '../model/verdict';
import type { Image, RowTier } from './image';
import { CLASS_BYTES } from './class-tables';
import { keyWordsOf } from './lane';
import { entryOfWord, rankOfWord } from './ranks';
import { type ImageClasses, ImageFault, ImageReader, type LeafRule, type Place, type Roots } from './reader';
import { protocolLane } from './services';
import type { Slot } from './slot';

/** Where a walk ended, and what it cost. */
export interface Interpretation {
  /** The word that decides; `SLC_WORD_NONE` with a fault, and where a section without a default has no such row. */
  readonly word: number;
  /** Address-trie and port-map nodes read; a tree whose smallest word cannot win is not walked. */
  readonly nodes: number;
  /** Leaves read; one whose smallest rank cannot win is not. */
  readonly leaves: number;
  /** Leaf rules compared. */
  readonly rules: number;
  /** The image is broken: what was wrong. The datapath drops with `image-fault`. */
  readonly fault?: string;
}

/**
 * Judges a key by one entry of the section table; where none is given by that of the section that owns it: a server's,
 * else inbound's. `isReturned`: whether an entry waited to be confirmed, and was not. Never throws: broken bytes end in a
 * fault.
 */
export function interpret(
  image: Image | Uint8Array,
  key: FlowKey,
  section?: number,
  isReturned: (entry: number) => boolean = () => false,
): Interpretation {
  const walk = { word: SLC_WORD_NONE, nodes: 0, leaves: 0, rules: 0 };
  try {
    const reader = readerOf(image);
    const words = keyWordsOf(key);
    let entry = section ?? SLC_ENTRY.INBOUND;
    if (section === undefined && reader.sectionCount > SLC_ENTRY.SERVERS) {
      askSection(reader, key, words, SLC_ENTRY.OWNERS, walk);
      entry = rankOfWord(walk.word);
    }
    askSection(reader, key, words, entry, walk, isReturned(entry));
    return walk;
  } catch (error) {
    if (!(error instanceof ImageFault)) throw error;
    return { ...walk, word: SLC_WORD_NONE, fault: error.message };
  }
}

/** Judges a frame that comes in: what is not decided by rows as the model does, rows by the image. */
export function interpretFrame(image: Image, frame: Uint8Array, state: GivenState = NO_STATE): Decision {
  return judgeFrame(image.features, frame, imageJudges(image, state), state);
}

/** Judges a frame that goes out, likewise. */
export function interpretOutgoing(image: Image, frame: Uint8Array, state: GivenState = NO_STATE): Decision {
  return judgeOutgoingFrame(image.features, frame, imageJudges(image, state), state);
}

const { OUTBOUND, KEEP_REACHABLE, GUARD_IN, GUARD_OUT, KEPT_LATER, GUARD_IN_LATER, GUARD_OUT_LATER } = SLC_ENTRY;

/** Entries that judge what goes out. */
const OUTGOING: readonly number[] = [OUTBOUND, GUARD_OUT, GUARD_OUT_LATER];

function imageJudges(image: Image, { returned }: GivenState): Judges {
  const isReturned = (entry: number): boolean => returned !== undefined && returned.has(image.sections[entry]);
  const isUsed = (entry: number): boolean => {
    try {
      return readerOf(image).isUsed(entry, isReturned(entry));
    } catch (error) {
      if (!(error instanceof ImageFault)) throw error;
      return image.features.sections[entry]; // whoever asks it learns of that
    }
  };
  const ask = (key: FlowKey, entry: number): Decision | null =>
    isUsed(entry) ? decide(image, key, entry, undefined, isReturned) : null;
  const guards = { in: GUARD_IN, out: GUARD_OUT };
  const later = { in: GUARD_IN_LATER, out: GUARD_OUT_LATER };
  return {
    keepReachable: (key) => ask(key, KEEP_REACHABLE),
    mayBeKept: (key) => ask(key, KEPT_LATER) !== null,
    guard: (direction, key) => ask(key, guards[direction]),
    guardLater: (direction, key) => ask(key, later[direction]),
    inbound: (packet, limits) => decide(image, packet, undefined, limits, isReturned) ?? imageFault('inbound', '9'),
    outbound: (key) => decide(image, key, OUTBOUND, undefined, isReturned) ?? imageFault('outbound', 'out 7'),
    outboundRefuses: isUsed(OUTBOUND),
    guardsOut: isUsed(GUARD_OUT),
  };
}

/** What the rows of an entry say, or of the section that owns the packet; null where none matches and the entry has no default. */
function decide(
  image: Image,
  key: LimitedPacket,
  index?: number,
  limits: LimitState = NO_LIMITS,
  isReturned?: (entry: number) => boolean,
): Decision | null {
  const { word, fault } = interpret(image, key, index, isReturned);
  if (fault === undefined && word === SLC_WORD_NONE) return null;
  const entry = fault === undefined ? entryOfWord(image.ranks, word) : null;
  if (!entry)
    return index !== undefined && OUTGOING.includes(index)
      ? imageFault('outbound', 'out 7')
      : imageFault('inbound', '9');
  const { section, tier, action } = entry;
  const rule = entry.rule?.id ?? null;
  const limit = entry.rule?.limit;
  if (limit && judgeLimit(`${section}/${entry.id}`, limit, key, limits) === 'refused')
    return { section, tier, verdict: limit.verdict, reason: 'limit', rule };
  const verdict: Verdict = action === 'limit' ? 'allow' : action;
  return { section, tier, verdict, reason: ROW_REASONS[tier], rule };
}

/** The reason a row of each tier leaves with. */
export const ROW_REASONS: Readonly<Record<RowTier, Reason>> = {
  '3.1': 'keep-reachable',
  '3.3': 'guard',
  '6': 'udp-off',
  '7': 'rule',
  '8': 'ssh',
  '9': 'default',
  'out 3': 'guard',
  'out 6': 'rule',
  'out 7': 'default',
};

function imageFault(section: string, tier: RowTier): Decision {
  return { section, tier, verdict: 'deny', reason: 'image-fault', rule: null };
}

const readers = new WeakMap<Uint8Array, ImageReader>();

/** Headers are checked once per array; everything else is read afresh. */
function readerOf(image: Image | Uint8Array): ImageReader {
  const bytes = image instanceof Uint8Array ? image : image.bytes;
  let reader = readers.get(bytes);
  if (!reader) readers.set(bytes, (reader = new ImageReader(bytes)));
  return reader;
}

type Walk = { -readonly [Field in 'word' | 'nodes' | 'leaves' | 'rules']: number };

/** Sets the word of the walk to that of a section, and adds what it costs. */
function askSection(
  reader: ImageReader,
  key: FlowKey,
  words: Uint32Array,
  section: number,
  walk: Walk,
  isReturned = false,
): void {
  const ports = reader.portsOf(section);
  walk.word = SLC_WORD_NONE;
  if (ports && !portInRanges([ports], words[SLC_KEY_WORD.PORTS] >>> 16)) return;
  const roots = reader.roots(section, isReturned);
  for (const [tree, root] of roots.trees[key.family].entries()) {
    if (tree > 0 && walk.word <= roots.least[tree - 1]) continue;
    const slot = descend(reader, words, root, roots, walk);
    if (slot.kind === 'terminal') walk.word = Math.min(walk.word, slot.word);
    else if (slot.rank >= walk.word >>> SLC_WORD_RANK_SHIFT) continue;
    else if (slot.kind === 'leaf') scanLeaf(reader, key, words, roots, slot, walk);
    else askClasses(key.family, words, reader.classes(slot.tables, roots), walk);
  }
  if (walk.word === SLC_WORD_NONE) walk.word = roots.defaultWord;
}

function descend(
  reader: ImageReader,
  words: Uint32Array,
  root: Slot,
  place: Place,
  walk: Walk,
): Exclude<Slot, { kind: 'node' }> {
  let slot = root;
  for (let steps = 0; slot.kind === 'node'; steps++) {
    if (steps === SLC_LIMITS.MAX_STEPS) throw new ImageFault(`a tree is deeper than ${SLC_LIMITS.MAX_STEPS} nodes`);
    slot = reader.slot(slot.child + ((words[slot.keyWord] >>> slot.shift) & slot.mask), place);
    walk.nodes++;
  }
  return slot;
}

function scanLeaf(
  reader: ImageReader,
  key: FlowKey,
  words: Uint32Array,
  roots: Roots,
  leaf: Extract<Slot, { kind: 'leaf' }>,
  walk: Walk,
): void {
  walk.leaves++;
  const ports = words[SLC_KEY_WORD.PORTS];
  const lanes = [ports >>> 16, ports & 0xffff, protocolLane(key.protocol)];
  for (const rule of reader.leafRules(key.family, leaf, roots)) {
    if (rule.word >= walk.word) return;
    walk.rules++;
    if (!addressesMatch(rule, key)) continue;
    const { low, high } = reader.service(roots.services, rule.service);
    if (!lanes.every((value, i) => low[i] <= value && value <= high[i])) continue;
    walk.word = rule.word;
    return;
  }
}

/** See `struct slc_classes`; each number read counts as a node. */
function askClasses(family: Family, words: Uint32Array, tables: ImageClasses, walk: Walk): void {
  const read = (table: (index: number) => number, index: number): number => {
    walk.nodes++;
    return table(index);
  };
  /** The class of a field that stands in the upper bytes of `value`. */
  const classOf = (table: (index: number) => number, value: number, bytes: number): number => {
    let number = 0;
    for (let i = 0; i < bytes; i++) number = read(table, number * 256 + ((value >>> (24 - 8 * i)) & 0xff));
    return number;
  };
  const destination = classOf(tables.destinations, words[SLC_KEY_WORD.DESTINATION], CLASS_BYTES[family]);
  const source = classOf(tables.sources, words[SLC_KEY_WORD.SOURCE], CLASS_BYTES[family]);
  const port = classOf(tables.ports, words[SLC_KEY_WORD.PORTS], 2);
  const lane = classOf(tables.lanes, words[SLC_KEY_WORD.PROTOCOL] << 24, 1);
  const line = read(tables.lines, destination * tables.sourceCount + source);
  const column = read(tables.columns, port * tables.laneCount + lane);
  let place = read(tables.cells, line * tables.columnCount + column);
  if (tables.sourcePortCount > 0) {
    const sourcePort = classOf(tables.sourcePorts, words[SLC_KEY_WORD.PORTS] << 16, 2);
    place = read(tables.lists, place * tables.sourcePortCount + sourcePort);
  }
  walk.word = Math.min(walk.word, read(tables.word, place));
}

function addressesMatch(rule: LeafRule, key: FlowKey): boolean {
  return (
    inPrefix(rule.destination, rule.destinationLength, key.destination) &&
    inPrefix(rule.source, rule.sourceLength, key.source)
  );
}

function inPrefix(words: readonly number[], length: number, address: FlowKey['source']): boolean {
  return words.every((word, i) => ((word ^ address[i]) & maskWord(length, i)) === 0);
}
