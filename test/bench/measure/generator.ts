/** Sends a trace over and over, live or into one program, and tells what a packet cost. */
import { join } from 'node:path';
import { kernel } from '../../../src/kernel/native';
import type { BpfMap, BpfProgram } from '../../../src/kernel/kernel';
import { compileBpf } from '../../support/compile-c';
import type { PacketColumns } from '../sets/packet-columns';
import { type Port, portCounters } from './lab';
import { BATCH, PROGRESS_HEADER, readProgress, resetProgress } from './progress';

const SOURCE = join(__dirname, '../bpf/generator.bpf.c');
const ZERO_KEY = new Uint8Array(4);

/** One burst. */
export interface Burst {
  /** Nanoseconds a packet, all in: generator, wire, filter; batches that were interrupted are left out. */
  readonly ns: number;
  readonly sent: number;
  /** Frames that never reached the filter. */
  readonly lost: number;
  /** Frames that the filter did not drop in XDP. */
  readonly passed: number;
}

export class Generator {
  private constructor(
    private readonly packets: PacketColumns,
    private readonly program: BpfProgram,
    private readonly progress: BpfMap,
    private readonly target: BpfMap,
  ) {}

  /** Loads the trace. `replay`: for `replay()`, else for `send()`. */
  static async open(packets: PacketColumns, options: { replay: boolean }): Promise<Generator> {
    const object = kernel().openObject(compileBpf(SOURCE, [PROGRESS_HEADER]), 'generator');
    const trace = packets.trace();
    const config = Uint32Array.of(packets.count, packets.family, Number(options.replay), 0);
    object.setRodata(0, new Uint8Array(config.buffer));
    const valueSize = Math.ceil(trace.length / 4096) * 4096;
    object.setMap('trace', { valueSize });
    await object.load();
    const map = object.map('trace');
    const region = map.mmap({ writable: true });
    await region.write(0, trace);
    region.close();
    map.close();
    const generator = new Generator(packets, object.program('generate'), object.map('.bss'), object.map('target'));
    object.close();
    return generator;
  }

  /** Sends about `count` live frames towards a port, from the first entry of the trace on. */
  async send(port: Port, count: number): Promise<Burst> {
    const frame = new Uint8Array(this.packets.frameBytes);
    this.packets.writeFrame(frame, 0, 0, { from: port.wireMac, to: port.mac });
    resetProgress(this.progress);
    const before = portCounters(port);
    const rounded = Math.ceil(count / BATCH) * BATCH;
    await this.program.injectLive({
      frame,
      count: rounded,
      batch: BATCH,
      ingressIfindex: port.wireIndex,
      netns: port.wirePath,
    });
    const { ns, sent } = readProgress(this.progress);
    const seen = await settled(port, before.packets + sent);
    const packets = seen.packets - before.packets;
    return { ns, sent, lost: sent - packets, passed: packets - (seen.drops - before.drops) };
  }

  /** Runs the program on `count` packets of the trace by plain test run. No wire, no driver. */
  async replay(program: BpfProgram, count: number): Promise<Burst> {
    this.target.updateProgram(ZERO_KEY, program);
    const frame = new Uint8Array(this.packets.frameBytes);
    this.packets.writeFrame(frame, 0, 0, { from: '02:00:00:00:00:01', to: '02:00:00:00:00:02' });
    resetProgress(this.progress);
    await this.program.testRun({ frame, repeat: count });
    const { ns, sent } = readProgress(this.progress);
    return { ns, sent, lost: 0, passed: 0 };
  }

  close(): void {
    this.program.close();
    this.progress.close();
    this.target.close();
  }
}

/** Waits until the port has seen so many frames: the last batch may still be on its way. */
export async function settled(port: Port, packets: number): Promise<{ packets: number; drops: number }> {
  for (let attempt = 0; ; attempt++) {
    const seen = portCounters(port);
    if (seen.packets >= packets || attempt === 5) return seen;
    await new Promise((done) => setTimeout(done, 5 * (attempt + 1)));
  }
}
