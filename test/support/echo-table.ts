/** Budgets of echo-requests and the clock they run by, and what the model is given for them. */
import { LAYOUT, SLC_LIMITS } from '../../src/abi/layout.gen';
import { openDatapath } from '../../src/kernel/datapath-object';
import type { BpfMap } from '../../src/kernel/kernel';
import { kernel } from '../../src/kernel/native';
import type { EchoState } from '../../src/model/echo';
import { echoSource } from '../../src/model/echo';
import type { FlowKey } from '../../src/model/packet';

const WORD = (1n << 64n) - 1n;

export class EchoTable {
  #second = 1;

  private constructor(
    readonly maps: { readonly echoBudget: BpfMap; readonly clock: BpfMap },
    private readonly factors: readonly bigint[],
  ) {}

  /** `factors`: those of the programs' hash. */
  static async create(factors: readonly bigint[]): Promise<EchoTable> {
    const object = openDatapath(kernel(), 'slc_read_clock', {
      create: { slc_clock: 1, slc_echo_budget: 1 + SLC_LIMITS.BUDGET_SOURCES },
    });
    await object.load();
    const maps = { echoBudget: object.map('slc_echo_budget'), clock: object.map('slc_clock') };
    object.close();
    return new EchoTable(maps, factors);
  }

  /** The programs' clock stands in this second. */
  set second(second: number) {
    this.#second = second;
    const value = Buffer.alloc(LAYOUT.slc_clock.size);
    value.writeBigUInt64LE(BigInt(second) * 1_000_000_000n, LAYOUT.slc_clock.fields.boot_ns.offset);
    this.maps.clock.update(new Uint8Array(4), value);
  }

  get second(): number {
    return this.#second;
  }

  /** Slot of a source, as `slc_budget_slot` has it. */
  slotOf({ family, source }: Pick<FlowKey, 'family' | 'source'>): number {
    let hash = this.factors[0] * BigInt(source[0]) + this.factors[1] * BigInt(family);
    if (family === 6) hash += this.factors[2] * BigInt(source[1]);
    return Number(((hash & WORD) >> 40n) & BigInt(SLC_LIMITS.BUDGET_SOURCES - 1));
  }

  /** What the budgets say of these packets' sources: the model knows sources, not slots. */
  async state(packets: readonly FlowKey[]): Promise<EchoState> {
    const words = Buffer.from((await this.maps.echoBudget.entries()).values);
    const taken = (index: number): number => {
      const word = words.readBigUInt64LE(8 * index);
      return word >> 32n === BigInt(this.#second) ? Number(word & 0xffff_ffffn) : 0;
    };
    return {
      bySource: new Map(packets.map((packet) => [echoSource(packet), taken(1 + this.slotOf(packet))])),
      inAll: taken(0),
    };
  }

  close(): void {
    for (const map of Object.values(this.maps)) map.close();
  }
}
