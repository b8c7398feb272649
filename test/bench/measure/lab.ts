/** The wires of the benchmark: one namespace that sends, and a veth pair with a filter at its other end a subject. */
import { kernel } from '../../../src/kernel/native';
import type { BpfLink, BpfProgram } from '../../../src/kernel/kernel';
import { driverCounters } from '../../support/ethtool';
import { joinByVeth, Namespace, reapStale } from '../../support/netns';

/** One pair: frames are sent out of `wireLink`, and filtered where they come in at `link`. */
export interface Port {
  readonly name: string;
  readonly namespace: Namespace;
  readonly link: string;
  readonly mac: string;
  readonly wireMac: string;
  /** Ifindex of the sending end. */
  readonly wireIndex: number;
  readonly wirePath: string;
}

/** Frames an XDP program has seen at the filtered end, and the program's drops. */
export function portCounters(port: Port): { packets: number; drops: number } {
  return driverCounters(port.namespace, port.link);
}

export class Lab {
  private readonly made: Namespace[] = [];
  private readonly links: BpfLink[] = [];
  private readonly wire: Namespace;
  private readonly endings: (() => void)[] = [];
  private pairs = 0;

  constructor() {
    reapStale();
    this.wire = this.namespace('bench-wire');
  }

  namespace(name: string): Namespace {
    const namespace = Namespace.create(name);
    this.made.push(namespace);
    return namespace;
  }

  /** A veth pair into the namespace. */
  port(name: string, namespace: Namespace): Port {
    const number = (++this.pairs).toString(16).padStart(2, '0');
    const wireLink = `to-${name}`;
    const mac = `02:00:00:00:${number}:02`;
    const wireMac = `02:00:00:00:${number}:01`;
    joinByVeth(
      { namespace, name, mac, addresses: [] },
      { namespace: this.wire, name: wireLink, mac: wireMac, addresses: [] },
    );
    const wireIndex = this.wire.ifindex(wireLink);
    return { name, namespace, link: name, mac, wireMac, wireIndex, wirePath: this.wire.path };
  }

  /** Attaches a program in native mode for as long as the lab stands. */
  async attach(port: Port, program: BpfProgram): Promise<void> {
    const ifindex = port.namespace.ifindex(port.link);
    this.links.push(await kernel().attachXdp(program, { ifindex, mode: 'native', netns: port.namespace.path }));
  }

  /** Something to undo while the namespaces still stand. */
  beforeEnd(undo: () => void): void {
    this.endings.push(undo);
  }

  destroy(): void {
    for (const undo of this.endings.splice(0)) undo();
    for (const link of this.links.splice(0)) link.close();
    for (const namespace of this.made.splice(0)) namespace.destroy();
  }
}
