/**
 * The deadlines of sections that wait to be confirmed, each by itself: the page of `slc_confirm`. The kernel goes by
 * them alone; files tell whose they are.
 */
import { SLC_LIMITS } from '../abi/layout.gen';
import type { BpfMap, MappedRegion } from '../kernel/kernel';

/** What a word says: it was confirmed, it was taken back, or boot-time nanoseconds until which it is in time. */
export type ConfirmWord = 'confirmed' | 'taken-back' | bigint;

/** Words by index, from 1; the first of the map is nobody's. */
export const CONFIRM_WORDS_MAX = SLC_LIMITS.CONFIRM_WORDS - 1;

const CONFIRMED = 0n;
/** A deadline that has passed on every machine. */
const TAKEN_BACK = 1n;

/** The caller holds the lock where it writes, and closes it. */
export class ConfirmWords {
  private constructor(private readonly region: MappedRegion) {}

  /** Over the map, which may be closed then. */
  static over(map: BpfMap): ConfirmWords {
    return new ConfirmWords(map.mmap({ writable: true }));
  }

  get(word: number): ConfirmWord {
    const value = this.region.load64(8 * word);
    return value === CONFIRMED ? 'confirmed' : value === TAKEN_BACK ? 'taken-back' : value;
  }

  set(word: number, value: ConfirmWord): void {
    if (word < 1 || word > CONFIRM_WORDS_MAX) throw new RangeError(`there is no word ${word}`);
    const number = value === 'confirmed' ? CONFIRMED : value === 'taken-back' ? TAKEN_BACK : value;
    this.region.store64(8 * word, number);
  }

  close(): void {
    this.region.close();
  }
}

/** Whether what was before judges, the same decision as `slc_block_of` in `bpf/classify.h`. */
export function isReturned(word: ConfirmWord, nowNs: bigint): boolean {
  return word === 'taken-back' || (word !== 'confirmed' && nowNs >= word);
}
