/**
 * Lanes: the fields a tree can cut, each a run of bits in one word of the key (`struct slc_key`). Address words are
 * lanes of their own, so that a prefix is an exact range in each of them.
 */
import type { FlowKey } from '../model/packet';
import { addressBits, type Family } from '../model/prefix';
import { PORT_PROTOCOLS } from '../model/protocol';
import { SLC_KEY_WORD } from '../abi/layout.gen';
import { protocolLane } from './services';

export type LaneKind = 'destination' | 'source' | 'destination-port' | 'source-port' | 'protocol';

export interface Lane {
  readonly kind: LaneKind;
  /** Of address lanes: which word of the address, 0 is the most significant. */
  readonly part: number;
  readonly keyWord: number;
  /** Lowest bit of the lane in its key word. */
  readonly offset: number;
  /** Width in bits. */
  readonly bits: number;
  /** All bits of the lane. */
  readonly mask: number;
}

function lane(kind: LaneKind, keyWord: number, bits: number, offset = 0, part = 0): Lane {
  return { kind, part, keyWord, offset, bits, mask: bits === 32 ? 0xffffffff : (1 << bits) - 1 };
}

function familyLanes(family: Family): readonly Lane[] {
  const parts = Array.from({ length: addressBits(family) / 32 }, (_, i) => i);
  return [
    ...parts.map((part) => lane('destination', SLC_KEY_WORD.DESTINATION + part, 32, 0, part)),
    ...parts.map((part) => lane('source', SLC_KEY_WORD.SOURCE + part, 32, 0, part)),
    lane('destination-port', SLC_KEY_WORD.PORTS, 16, 16),
    lane('source-port', SLC_KEY_WORD.PORTS, 16),
    lane('protocol', SLC_KEY_WORD.PROTOCOL, 8),
  ];
}

const LANES: Record<Family, readonly Lane[]> = { 4: familyLanes(4), 6: familyLanes(6) };

/** Destination words, source words, destination port, source port, protocol. */
export function lanesOf(family: Family): readonly Lane[] {
  return LANES[family];
}

/** Whether the lane holds a part of an address: its rules are prefixes. */
export function isAddressLane({ kind }: Lane): boolean {
  return kind === 'destination' || kind === 'source';
}

/** Number of words in `struct slc_key`; those behind the protocol are zero. */
const KEY_WORDS = 16;

/** `struct slc_key` of a packet, as the datapath fills it. ICMP of the packet's own family must bring its type. */
export function keyWordsOf(key: FlowKey): Uint32Array {
  const words = new Uint32Array(KEY_WORDS);
  words.set(key.destination, SLC_KEY_WORD.DESTINATION);
  words.set(key.source, SLC_KEY_WORD.SOURCE);
  if (PORT_PROTOCOLS.has(key.protocol)) words[SLC_KEY_WORD.PORTS] = (key.destinationPort << 16) | key.sourcePort;
  else if (key.icmp) words[SLC_KEY_WORD.PORTS] = (key.icmp.type << 24) | (key.icmp.code << 16);
  words[SLC_KEY_WORD.PROTOCOL] = protocolLane(key.protocol);
  return words;
}
