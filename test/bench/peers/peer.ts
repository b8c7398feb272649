/** What the benchmark asks of another firewall. */
import type { Lab, Port } from '../measure/lab';
import type { BenchSet } from '../sets/bench-set';
import type { Trace } from '../sets/trace';
import type { BpfProgram } from '../../../src/kernel/kernel';

/** `deny`: every row drops, so that no packet costs what the stack costs. */
export type Verdicts = 'mixed' | 'deny';

/** What a peer is given to stand on. */
export interface PeerStand {
  readonly lab: Lab;
  /** Where XDP_DROP stands. */
  readonly drop: Port;
  /** For netfilter's port: veth takes live frames only where a program stands. */
  readonly pass: BpfProgram;
}

export interface Peer {
  readonly name: string;
  readonly port: Port;
  /** Why it cannot hold the set, or null. */
  refuses: (set: BenchSet) => string | null;
  /** Replaces its rules by the set's; answers with the milliseconds its own loader takes. Throws what the tool says. */
  install: (set: BenchSet, verdicts: Verdicts) => Promise<number>;
  /** Packets of the trace whose answers were compared, and how many differ at least. */
  check: (set: BenchSet, trace: Trace, packetNs: number) => Promise<{ checked: number; wrong: number }>;
}

/** Makes a peer once; a string is the reason why it is not there. */
export type PeerMaker = (stand: PeerStand) => Promise<Peer | string>;
