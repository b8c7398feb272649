/**
 * The deadlines of sections that wait to be confirmed, each by itself: the page of `slc_confirm`. The kernel goes by
 * them alone; files tell whose they are.
 */
import { SLC_LIMITS } from '../abi/layout.gen';
import type { BpfMap, MappedRegion } from '../kernel/kernel';

/** What a word says: nobody's; it was confirmed; it was taken back; or boot-time nanoseconds until which it is in time. */
export type ConfirmWord = 'free' | 'confirmed' | 'taken-back' | bigint;

/** Words by index, from 1; the first of the map is nobody's. */
export const CONFIRM_WORDS_MAX = SLC_LIMITS.CONFIRM_WORDS - 1;

const FREE = 0n;
/** A deadline that no clock reaches: it is known from a free word until its image is gone. */
const CONFIRMED = 0xffff_ffff_ffff_ffffn;
/** A deadline that has passed on every machine. Every odd one says the same, from its time on; others are even. */
const TAKEN_BACK = 1n;
/** Layout since which that is so. */
const EVEN_SINCE = 9;
/** Longer than a packet is judged. */
const MOMENT_NS = 1_000_000n;
const NUMBERS = { free: FREE, confirmed: CONFIRMED, 'taken-back': TAKEN_BACK } as const;

/** The caller holds the lock where it writes, and closes it. */
export class ConfirmWords {
  private constructor(private readonly region: MappedRegion) {}

  /** Over the map, which may be closed then. */
  static over(map: BpfMap): ConfirmWords {
    return new ConfirmWords(map.mmap({ writable: true }));
  }

  get(word: number): ConfirmWord {
    const value = this.region.load64(8 * word);
    return value === FREE ? 'free' : value === CONFIRMED ? 'confirmed' : value & 1n ? 'taken-back' : value;
  }

  set(word: number, value: ConfirmWord): void {
    if (word < 1 || word > CONFIRM_WORDS_MAX) throw new RangeError(`there is no word ${word}`);
    this.region.store64(8 * word, typeof value === 'bigint' ? value & ~1n : NUMBERS[value]);
  }

  /**
   * Takes back a moment after `nowNs`, not at once: a packet that is being judged has read the clock before that, and looks
   * at the word of each section that it meets.
   */
  takeBack(word: number, nowNs: bigint): void {
    this.region.store64(8 * word, (nowNs + MOMENT_NS) | 1n);
  }

  /** Takes over what stood in another map, word by word. */
  adopt(words: readonly bigint[], version: number): void {
    for (const [i, value] of words.entries()) {
      // Deadlines were odd too once.
      const isDeadline = version < EVEN_SINCE && value !== CONFIRMED && value !== TAKEN_BACK;
      if (value !== FREE) this.region.store64(8 * i, isDeadline ? value & ~1n : value);
    }
  }

  /**
   * Confirms what waits until this deadline. False where the word says something else by now, or where the time was over
   * before it was stored: then what was before has judged already, and goes on.
   */
  confirm(word: number, deadline: bigint, nowNs: () => bigint): boolean {
    const exchange = (from: bigint, to: bigint): boolean => this.region.compareExchange64(8 * word, from, to) === from;
    if (nowNs() >= deadline || !exchange(deadline, CONFIRMED)) return false;
    if (nowNs() < deadline) return true;
    exchange(CONFIRMED, deadline);
    return false;
  }

  close(): void {
    this.region.close();
  }
}
