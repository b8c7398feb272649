/** The map of confirm words without an installation: what is in time for the programs that are given it. */
import { LAYOUT, SLC_LIMITS } from '../../src/abi/layout.gen';
import { openDatapath } from '../../src/kernel/datapath-object';
import type { BpfMap } from '../../src/kernel/kernel';
import { kernel } from '../../src/kernel/native';
import { ConfirmWords } from '../../src/load/confirm-words';

export class ConfirmStand {
  private constructor(
    readonly map: BpfMap,
    readonly words: ConfirmWords,
    /** What the programs take for the time, where they are given it. */
    readonly clock: BpfMap,
  ) {}

  static async create(): Promise<ConfirmStand> {
    const object = openDatapath(kernel(), 'slc_read_clock', {
      create: { slc_clock: 1, slc_confirm: SLC_LIMITS.CONFIRM_WORDS },
    });
    await object.load();
    const map = object.map('slc_confirm');
    const clock = object.map('slc_clock');
    object.close();
    return new ConfirmStand(map, ConfirmWords.over(map), clock);
  }

  /** Sets the boot time in nanoseconds. */
  set now(ns: bigint) {
    const value = Buffer.alloc(LAYOUT.slc_clock.size);
    value.writeBigUInt64LE(ns, LAYOUT.slc_clock.fields.boot_ns.offset);
    this.clock.update(Buffer.alloc(4), value);
  }

  close(): void {
    this.clock.close();
    this.words.close();
    this.map.close();
  }
}
