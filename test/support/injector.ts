/** A stream of live frames at the rate the machine gives, each counted by its destination port. */
import { join } from 'node:path';
import { listInterfaces } from '../../src/kernel/interfaces';
import type { BpfMap, BpfProgram, Kernel } from '../../src/kernel/kernel';
import { compileBpf } from './compile-c';

export class Injector {
  private constructor(
    private readonly program: BpfProgram,
    private readonly counts: BpfMap,
    private readonly ports: readonly number[],
    private readonly target: { ingressIfindex: number; netns: string },
  ) {}

  /** Sends out of `link` in the namespace; `ports` are eight destination ports in turn. */
  static async open(kernel: Kernel, netns: string, link: string, ports: readonly number[]): Promise<Injector> {
    const object = kernel.openObject(compileBpf(join(__dirname, 'injector.bpf.c')), 'injector');
    object.setRodata(0, new Uint8Array(Uint16Array.from(ports).buffer));
    object.setPrograms(['inject']);
    await object.load();
    const device = (await listInterfaces(kernel, netns)).find(({ name }) => name === link);
    if (!device) throw new Error(`no interface ${link}`);
    const injector = new Injector(object.program('inject'), object.map('.bss'), ports, {
      ingressIfindex: device.index,
      netns,
    });
    object.close();
    return injector;
  }

  /** Sends `count` copies of the frame. */
  async send(frame: Uint8Array, count: number): Promise<void> {
    await this.program.injectLive({ frame, count, batch: 64, ...this.target });
  }

  /** Frames sent so far by destination port. */
  sent(): Map<number, number> {
    const bytes = Buffer.from(this.counts.lookup(new Uint8Array(4))!);
    const totals = new Map<number, number>();
    this.ports.forEach((port, i) => totals.set(port, (totals.get(port) ?? 0) + Number(bytes.readBigUInt64LE(8 * i))));
    return totals;
  }

  close(): void {
    this.program.close();
    this.counts.close();
  }
}
