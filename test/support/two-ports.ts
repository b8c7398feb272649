/**
 * A filtered host that serves two TCP ports, and its neighbour, who tries them: which ruleset judges is seen from which
 * of the two he reaches.
 */
import { kernel } from '../../src/kernel/native';
import { awaitsConfirmation } from '../../src/load/gate-word';
import { SharedState } from '../../src/load/state';
import { serve } from './clients';
import { EdgeHost, HOST, pinsOf, Prober } from './edge-host';
import { inboundRules } from './ruleset-text';

export const A = 14141;
export const B = 14142;

export class TwoPorts {
  private constructor(
    readonly host: EdgeHost,
    readonly prober: Prober,
  ) {}

  /** `rules.yaml` lets in to A, `b.yaml` to B; nothing is applied yet. */
  static async open(scope: string): Promise<TwoPorts> {
    const host = await EdgeHost.open(scope);
    await serve(host.edge, [`tcp:${A}`, `tcp:${B}`]);
    const ports = new TwoPorts(host, new Prober(host.wire));
    ports.rules('rules.yaml', `allow ${A}/tcp`);
    ports.rules('b.yaml', `allow ${B}/tcp`);
    return ports;
  }

  /** Writes a ruleset with these rows of `inbound` above default deny; its path. */
  rules(name: string, ...rows: readonly string[]): string {
    return this.host.write(name, inboundRules(...rows));
  }

  file(name: string): string {
    return `${this.host.directory}/${name}`;
  }

  /** Which of the two ports connections reach. */
  reached(): Promise<number[]> {
    return this.prober.open(A, B);
  }

  /**
   * The time of what waits to be confirmed is over, by the gate's own word: no test depends on how much of it a busy
   * machine has left. That it passes by itself is what `confirm-dead` shows.
   */
  endTime(): void {
    const { pins } = this.host.context();
    const state = SharedState.find(kernel(), pins)!;
    try {
      const { gate } = state;
      expect(awaitsConfirmation(gate)).toBe(true);
      expect(state.exchangeGate(gate, { ...gate, deadlineNs: kernel().bootTimeNs() })).toBe(true);
    } finally {
      state.close();
    }
  }

  /** Exactly this generation, in the kernel and in the files. */
  expectOnly(generation: number): void {
    expect(this.host.pinned()).toEqual(pinsOf(generation, [this.host.edge.ifindex(HOST.link)]));
    expect(this.host.slots().filter((id) => id !== null)).toHaveLength(1);
    expect(this.host.records()).toEqual([`generation-${generation}.json`]);
  }

  /** Throws where the three numbers do not agree. */
  async close(): Promise<void> {
    await this.prober.stop();
    await this.host.close();
  }
}
