/** Records of the ring → events, and events ↔ lines of the log (SPEC §7). */
import { LOG_WORD_OF_CODE, REASON_OF_CODE } from '../abi/codec';
import { LAYOUT, SLC_WORD_NONE, SLC_WORD_RANK_SHIFT } from '../abi/layout.gen';
import { UDP_OFF } from '../compile/ranks';
import type { BpfMap, RingBatch } from '../kernel/kernel';
import { LOG_WORDS, type LogWord } from '../model/logging';
import { type Field, fieldText, packetFields } from './packet-fields';

/** What the daemon tells of itself between packets: that it made again what somebody had removed. */
const MENDED = 'MENDED';

/** A packet that was told of, or `MENDED`. */
export interface PacketEvent {
  /** ISO time. */
  readonly time: string;
  readonly word: LogWord | typeof MENDED;
  /**
   * In the order of the line, netfilter's first: `IN`, `OUT`, `SRC`, … `SRV`, `RULE`, `REASON`, `GEN`, `EVENT`. Of
   * `MENDED`: `WHAT`, `NAME`, `MS`, `AFTER`.
   */
  readonly fields: readonly Field[];
}

/** What was mended. */
export interface Mended {
  readonly what: 'pin' | 'interface';
  /** Pins below their directory, or interfaces. */
  readonly names: readonly string[];
  /** Milliseconds since all was there, at most; null where it never was since somebody looked. */
  readonly afterMs: number | null;
}

/** `after` is the `EVENT` of the packet that was told of last: whoever reads the end of the log finds it there too. */
export function mendedEvent({ what, names, afterMs }: Mended, now: Date, after: string | null): PacketEvent {
  const fields: readonly Field[] = [
    { key: 'WHAT', value: what },
    { key: 'NAME', value: names.join(',') },
    ...(afterMs === null ? [] : [{ key: 'MS', value: String(afterMs) }]),
    ...(after === null ? [] : [{ key: 'AFTER', value: after }]),
  ];
  return { time: now.toISOString(), word: MENDED, fields };
}

/** Sections and rules of the words in events. */
export interface EventNames {
  /** Name of an interface, or its number as text where it is gone. */
  interface: (ifindex: number) => string;
  /** What a rank stands for; null where that is not known any more. */
  rank: (generation: number, rank: number) => { readonly section: string; readonly id: string } | null;
  /** Name of a section by its index in the section table of a generation. */
  section: (generation: number, index: number) => string | null;
  /** Names the ring: events of different ones have different names. */
  readonly ring: string;
}

const { size: EVENT_BYTES, fields: EVENT } = LAYOUT.slc_event;

/** Reads the records of a batch; `boot` is a reading of both clocks, to turn boot time into wall time. */
export function readEvents(batch: RingBatch, names: EventNames, boot: { ns: bigint; wallMs: number }): PacketEvent[] {
  const bytes = Buffer.from(batch.records.buffer, batch.records.byteOffset, batch.records.byteLength);
  return Array.from(batch.positions, (position, i) => {
    const record = bytes.subarray(i * EVENT_BYTES, (i + 1) * EVENT_BYTES);
    return readEvent(record, position, names, boot);
  });
}

function readEvent(
  record: Buffer,
  position: bigint,
  names: EventNames,
  boot: { ns: bigint; wallMs: number },
): PacketEvent {
  const word = LOG_WORD_OF_CODE.get(record[EVENT.log.offset]);
  const reason = REASON_OF_CODE.get(record[EVENT.reason.offset]);
  if (!word || !reason) throw new RangeError('an event holds a number this sluice does not know');
  const image = record.readUInt32LE(EVENT.word.offset);
  const generation = record.readUInt32LE(EVENT.generation.offset);
  const outgoing = record[EVENT.outgoing.offset] === 1;
  const rank = image === SLC_WORD_NONE ? null : image >>> SLC_WORD_RANK_SHIFT;
  const named = rank === null ? null : rank === UDP_OFF.rank ? UDP_OFF : names.rank(generation, rank);
  const section =
    named?.section ??
    (outgoing ? 'outbound' : names.section(generation, record.readUInt16LE(EVENT.section.offset))) ??
    'inbound';
  const device = names.interface(record.readUInt32LE(EVENT.ifindex.offset));
  const captured = record.readUInt16LE(EVENT.captured.offset);
  const frame = record.subarray(EVENT.frame.offset, EVENT.frame.offset + captured);
  const way = outgoing ? { in: '', out: device } : { in: device, out: '' };
  const age = Number(boot.ns - record.readBigUInt64LE(EVENT.time.offset)) / 1e6;
  return {
    time: new Date(boot.wallMs - age).toISOString(),
    word,
    fields: [
      ...packetFields(frame, way),
      { key: 'SRV', value: section },
      { key: 'RULE', value: rank === null ? '' : (named?.id ?? `#${rank}`) },
      { key: 'REASON', value: reason },
      { key: 'GEN', value: String(generation) },
      { key: 'EVENT', value: `${names.ring}-${position.toString(16)}` },
    ],
  };
}

/** The first value of a key; undefined where the event has none. */
export function fieldOf(event: PacketEvent, key: string): string | undefined {
  return event.fields.find((field) => field.key === key)?.value;
}

/** `[SLUICE BLOCK] IN=eth0 OUT= MAC=… SRC=… … SRV=inbound RULE=web REASON=rule GEN=3 EVENT=…`. */
export function eventText({ word, fields }: PacketEvent): string {
  return `[SLUICE ${word}] ${fields.map(fieldText).join(' ')}`;
}

/** A line of the log file: time and host as syslog daemons write them. */
export function eventLine(event: PacketEvent, host: string): string {
  return `${event.time} ${host} sluice: ${eventText(event)}`;
}

const LINE = /^(\S+) (?:\S+ )?.*?\[SLUICE ([A-Z ]+)\] (.*)$/;

/** Reads a line of the log file; null where it is none. */
export function parseEventLine(line: string): PacketEvent | null {
  const [, time, word, rest] = LINE.exec(line) ?? [];
  if (time === undefined || Number.isNaN(Date.parse(time))) return null;
  if (word !== MENDED && !(LOG_WORDS as readonly string[]).includes(word)) return null;
  // An array's slot is no quoted packet.
  const words = rest.match(word === MENDED ? /\S+/g : /\[[^\]]*\]|\S+/g) ?? [];
  return { time, word: word as PacketEvent['word'], fields: words.map(readField) };
}

function readField(text: string): Field {
  const at = text.indexOf('=');
  return at < 0 || text.startsWith('[') ? { key: text } : { key: text.slice(0, at), value: text.slice(at + 1) };
}

/** An event as a JSON object: keys as in the line in lower case, flags in a list. */
export function eventToJson(event: PacketEvent): Record<string, unknown> {
  const object: Record<string, unknown> = { time: event.time, event: event.word };
  const flags: string[] = [];
  for (const { key, value } of event.fields) {
    if (value === undefined) flags.push(key);
    else {
      const name = JSON_NAMES[key] ?? key.toLowerCase();
      object[Object.hasOwn(object, name) ? SECOND_NAMES[key] : name] = value;
    }
  }
  return { ...object, flags };
}

const JSON_NAMES: Readonly<Record<string, string>> = { EVENT: 'id', ID: 'ipId' };
/** Keys that a line can hold twice: of IP, then of UDP or of an ICMP echo. */
const SECOND_NAMES: Readonly<Record<string, string>> = {
  LEN: 'udpLen',
  ID: 'echoId',
  VPROTO: 'innerVproto',
  VID: 'innerVid',
};

/** What became of events since the state was made: `made` = `written` + `capped` + `ringFull`. */
export interface EventFigures {
  readonly made: bigint;
  readonly written: bigint;
  /** Held back: by the cap of the CPU, of the server, of the rule or reason, of the source. */
  readonly capped: { readonly all: bigint; readonly server: bigint; readonly rule: bigint; readonly source: bigint };
  /** Made while nobody had read what was there. */
  readonly ringFull: bigint;
}

/** Sums the figures of all CPUs. */
export function readEventFigures(stats: BpfMap): EventFigures {
  const { size, fields } = LAYOUT.slc_event_figures;
  const bytes = Buffer.from(stats.lookup(new Uint8Array(4)) ?? []);
  const sum = (field: keyof typeof fields): bigint => {
    let total = 0n;
    for (let cpu = 0; cpu < bytes.length; cpu += size) total += bytes.readBigUInt64LE(cpu + fields[field].offset);
    return total;
  };
  return {
    made: sum('made'),
    written: sum('written'),
    capped: {
      ...{ all: sum('capped_all'), server: sum('capped_server') },
      ...{ rule: sum('capped_rule'), source: sum('capped_source') },
    },
    ringFull: sum('ring_full'),
  };
}

/** A filter of events: every part that is given must hold. */
export interface EventFilter {
  /** `section/id`, or the id alone. */
  readonly rule?: string;
  /** The section that decided. */
  readonly section?: string;
  readonly source?: (text: string) => boolean;
  /** Source or destination port. */
  readonly port?: number;
}

/** Whether an event is one of those that the filter asks for. */
export function eventMatches(event: PacketEvent, { rule, section, source, port }: EventFilter): boolean {
  const id = fieldOf(event, 'RULE') ?? '';
  if (rule !== undefined && rule !== id && rule !== `${fieldOf(event, 'SRV')}/${id}`) return false;
  if (section !== undefined && section !== fieldOf(event, 'SRV')) return false;
  if (source && !source(fieldOf(event, 'SRC') ?? '')) return false;
  if (port === undefined) return true;
  return [fieldOf(event, 'SPT'), fieldOf(event, 'DPT')].includes(String(port));
}
