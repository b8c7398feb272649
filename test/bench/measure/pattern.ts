/** Sends one frame with ever other remote ends, live or into one program of either hook: see bpf/pattern.bpf.c. */
import { join } from 'node:path';
import { kernel } from '../../../src/kernel/native';
import type { BpfMap, BpfProgram } from '../../../src/kernel/kernel';
import { compileBpf } from '../../support/compile-c';
import { type Burst, settled } from './generator';
import { type Port, portCounters } from './lab';
import { BATCH, PROGRESS_HEADER, readProgress, resetProgress } from './progress';

const SOURCE = join(__dirname, '../bpf/pattern.bpf.c');
const ZERO_KEY = new Uint8Array(4);
/** `config.header` of pattern.bpf.c. */
const HEADER_BYTES = 56;
/** Any start but 0 will do. */
const SEED = 0x9e3779b97f4a7c15n;

/** Which remote ends the frames have. */
export interface Pattern {
  readonly count: number;
  /** Nine in ten frames have one of the first so many. */
  readonly hot?: number;
  /** One after the other, not at random. */
  readonly inOrder?: boolean;
  /** The program that is measured changes frames. */
  readonly renew?: boolean;
  readonly direction: 'in' | 'out';
  readonly mode: 'native' | 'test-run';
}

export class PatternGenerator {
  /** Where the next burst goes on: one at random must not begin with what the last began with. */
  private next: bigint;

  private constructor(
    private readonly frame: Uint8Array,
    pattern: Pattern,
    private readonly program: BpfProgram,
    private readonly progress: BpfMap,
    private readonly target: BpfMap,
  ) {
    this.next = pattern.inOrder ? 0n : SEED;
  }

  /** `frame`: IPv4, TCP or UDP; its remote address and port are replaced. */
  static async open(frame: Uint8Array, pattern: Pattern): Promise<PatternGenerator> {
    const object = kernel().openObject(compileBpf(SOURCE, [PROGRESS_HEADER]), 'pattern');
    const { count, hot = 0, inOrder = false, renew = false, direction, mode } = pattern;
    const words = [count, hot, hot > 0 ? 230 : 0, Number(inOrder), Number(direction === 'out')];
    const config = Uint32Array.of(...words, Number(mode === 'test-run'), Number(renew));
    const header = frame.subarray(0, HEADER_BYTES);
    object.setRodata(0, Buffer.concat([new Uint8Array(config.buffer), header]));
    await object.load();
    const name = direction === 'in' ? 'generate' : 'generate_out';
    const other = object.program(direction === 'in' ? 'generate_out' : 'generate');
    const target = object.map(direction === 'in' ? 'target' : 'target_out');
    const made = new PatternGenerator(frame, pattern, object.program(name), object.map('.bss'), target);
    other.close();
    object.close();
    return made;
  }

  /** Runs the program on so many frames by plain test run. */
  async replay(program: BpfProgram, count: number): Promise<Burst> {
    this.target.updateProgram(ZERO_KEY, program);
    resetProgress(this.progress, this.next);
    await this.program.testRun({ frame: this.frame, repeat: count });
    const { ns, sent } = this.read();
    return { ns, sent, lost: 0, passed: 0 };
  }

  /** Sends about `count` live frames towards a port. */
  async send(port: Port, count: number): Promise<Burst> {
    const mac = (text: string): number[] => text.split(':').map((part) => parseInt(part, 16));
    const frame = Uint8Array.from(this.frame);
    frame.set([...mac(port.mac), ...mac(port.wireMac)]);
    resetProgress(this.progress, this.next);
    const before = portCounters(port);
    await this.program.injectLive({
      ...{ frame, count: Math.ceil(count / BATCH) * BATCH, batch: BATCH },
      ...{ ingressIfindex: port.wireIndex, netns: port.wirePath },
    });
    const { ns, sent } = this.read();
    const seen = await settled(port, before.packets + sent);
    const packets = seen.packets - before.packets;
    return { ns, sent, lost: sent - packets, passed: packets - (seen.drops - before.drops) };
  }

  private read(): { ns: number; sent: number } {
    const { ns, sent, next } = readProgress(this.progress);
    this.next = next;
    return { ns, sent };
  }

  close(): void {
    this.program.close();
    this.progress.close();
    this.target.close();
  }
}
