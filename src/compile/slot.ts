/**
 * Slots of the image (`bpf/sluice_abi.h`, "A SLOT"), as the two 32-bit halves that are stored, low half first.
 *
 *     node      low: index of child 0      high: shift 0-4, key word 5-8, mask 9-30, bit 31 clear
 *     classes   low: index of the tables   high: smallest rank 0-23, bits 24-29 clear, bits 30-31 = 10
 *     leaf      low: index of first rule   high: smallest rank 0-23, count 24-29, bits 30-31 = 10
 *               0-30, bit 31: short rules
 *     terminal  low: image word            high: bits 30-31 = 11
 */
import { SLC_LEAF_SHORT, SLC_WORD_NONE } from '../abi/layout.gen';

export interface SlotWords {
  readonly low: number;
  readonly high: number;
}

export type Slot =
  | {
      readonly kind: 'node';
      /** Slot index of child 0. */
      readonly child: number;
      readonly shift: number;
      /** Index into the words of the key. */
      readonly keyWord: number;
      readonly mask: number;
    }
  | {
      readonly kind: 'leaf';
      /** Slot index of the first rule. */
      readonly first: number;
      readonly rank: number;
      /** `LEAF_UNCOUNTED`: up to the rule marked as the last. */
      readonly count: number;
      /** Its rules are short ones. */
      readonly short: boolean;
    }
  | {
      readonly kind: 'classes';
      /** Slot index of the tables. */
      readonly tables: number;
      readonly rank: number;
    }
  | { readonly kind: 'terminal'; readonly word: number };

/** The count that says "up to the rule marked as the last". */
export const LEAF_UNCOUNTED = 63;
/** Most bits a node can take: the width of its mask. */
export const NODE_BITS_MAX = 22;
const RANK_MASK = 0xffffff;
const LEAF_BITS = 0x80000000;
const TERMINAL_BITS = 0xc0000000;

/** A terminal that covers no rule: nothing of this tree matches here. */
export const EMPTY_SLOT: SlotWords = { low: SLC_WORD_NONE, high: TERMINAL_BITS };

/** The two words of a slot, as the program reads them. */
export function encodeSlot(slot: Slot): SlotWords {
  switch (slot.kind) {
    case 'node':
      return { low: slot.child, high: (slot.shift | (slot.keyWord << 5) | (slot.mask << 9)) >>> 0 };
    case 'leaf':
      return {
        low: (slot.first | (slot.short ? SLC_LEAF_SHORT : 0)) >>> 0,
        high: (LEAF_BITS | (slot.count << 24) | slot.rank) >>> 0,
      };
    case 'classes':
      return { low: slot.tables, high: (LEAF_BITS | slot.rank) >>> 0 };
    case 'terminal':
      return { low: slot.word, high: TERMINAL_BITS };
  }
}

/** What two words say. */
export function decodeSlot(low: number, high: number): Slot {
  switch (high >>> 30) {
    case 3:
      return { kind: 'terminal', word: low };
    case 2:
      if (((high >>> 24) & LEAF_UNCOUNTED) === 0) return { kind: 'classes', tables: low, rank: high & RANK_MASK };
      return {
        kind: 'leaf',
        first: (low & ~SLC_LEAF_SHORT) >>> 0,
        rank: high & RANK_MASK,
        count: (high >>> 24) & LEAF_UNCOUNTED,
        short: (low & SLC_LEAF_SHORT) !== 0,
      };
    default:
      return {
        kind: 'node',
        child: low,
        shift: high & 0x1f,
        keyWord: (high >>> 5) & 0xf,
        mask: (high >>> 9) & ((1 << NODE_BITS_MAX) - 1),
      };
  }
}
