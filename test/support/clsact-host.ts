/** A host whose outgoing packets meet a clsact filter, as on kernels without tcx, and what hangs at its link. */
import { LAYOUT, SLC_LIMITS } from '../../src/abi/layout.gen';
import { listDisciplines, listFilters } from '../../src/kernel/clsact';
import { openDatapath } from '../../src/kernel/datapath-object';
import { kernel } from '../../src/kernel/native';
import { slotKey } from '../../src/load/state';
import { serve, tcpConnect } from './clients';
import { EdgeHost, HOST, NEIGHBOUR } from './edge-host';
import { type Background, must } from './process';

/** Name of the gate's program. */
export const GATE = 'slc_gate_clsact';

/** Lets in 8000/tcp, and answers; `rules.yaml` of the host at first. */
export const RULES = `version: 1
interfaces: [eth0]
inbound:
  default: deny
  rules: [allow 8000/tcp]
`;
/** The same, and lets out nothing but 53 and answers. */
export const OUTBOUND = `${RULES}outbound: { default: deny, rules: [allow out to any port 53] }\n`;

export class ClsactHost {
  private constructor(
    readonly host: EdgeHost,
    /** What serves at the neighbour. */
    readonly atWire: Background,
  ) {}

  /** Serves 8000 and 22; the neighbour 443, 8080 and, by UDP, 53 and 4433. */
  static async open(scope: string): Promise<ClsactHost> {
    const host = await EdgeHost.open(scope);
    host.environment.SLUICE_EGRESS_HOOK = 'clsact';
    const atWire = await serve(host.wire, ['tcp:443', 'http:8080', 'udp:53', 'udp:4433']);
    await serve(host.edge, ['http:8000', 'tcp:22']);
    host.write('rules.yaml', RULES);
    return new ClsactHost(host, atWire);
  }

  get ifindex(): number {
    return this.host.edge.ifindex(HOST.link);
  }

  /** Runs `tc` on the host. */
  tc(...words: string[]): string {
    return must(['ip', 'netns', 'exec', this.host.edge.name, 'tc', ...words]);
  }

  /** Filters that meet what goes out, by the names of their programs. */
  async filters(): Promise<string[]> {
    const found = await listFilters(kernel(), this.ifindex, 'egress', this.host.edge.path);
    return found.map(({ programId, kind }) => (programId === undefined ? kind : kernel().programInfo(programId)!.name));
  }

  /** Kind of the discipline at clsact's place. */
  async discipline(): Promise<string | undefined> {
    return (await listDisciplines(kernel(), this.host.edge.path)).get(this.ifindex);
  }

  /** Nothing of sluice hangs at the link, and everybody gets through both ways. */
  async expectFree(): Promise<void> {
    expect(await this.filters()).toEqual([]);
    expect(await this.discipline()).toBeUndefined();
    await this.expectOpen();
  }

  /** Everybody gets through both ways; the kernel empties an array without pins a little later, one slot at a time. */
  async expectOpen(): Promise<void> {
    for (const deadline = Date.now() + 30_000; ;) {
      const inward = await tcpConnect(this.host.wire, HOST.ipv4, 22);
      const outward = await tcpConnect(this.host.edge, NEIGHBOUR.ipv4, 443);
      if ((inward !== 'connected' || outward !== 'connected') && Date.now() < deadline) continue;
      expect({ inward, outward }).toEqual({ inward: 'connected', outward: 'connected' });
      return;
    }
  }

  /** Whether datagrams leave that `OUTBOUND` refuses; the kernel empties an array without a pin a little later. */
  async expectLeave(wanted: boolean): Promise<void> {
    for (const deadline = Date.now() + 30_000; ;) {
      const before = await this.arrived();
      await this.host.edge.run(['bash', '-c', `echo x > /dev/udp/${NEIGHBOUR.ipv4}/5000`]);
      const found = (await this.arrived()) > before;
      if (found !== wanted && Date.now() < deadline) continue;
      expect(found).toBe(wanted);
      return;
    }
  }

  /** Datagrams that came to the neighbour, where nobody listens. */
  private async arrived(): Promise<number> {
    const { stdout } = await this.host.wire.run(['nstat', '-asz', 'UdpNoPorts']);
    return Number(/^UdpNoPorts\s+(\d+)/m.exec(stdout)![1]);
  }

  /** `RULES` enforce, through a filter. */
  async expectEnforced(): Promise<void> {
    expect(await tcpConnect(this.host.wire, HOST.ipv4, 22)).toBe('timeout');
    expect(await tcpConnect(this.host.edge, NEIGHBOUR.ipv4, 443)).toBe('connected');
    const { warnings, interfaces } = await this.host.status();
    expect(warnings).toEqual([]);
    expect(interfaces).toMatchObject([{ name: HOST.link, egress: 'clsact' }]);
  }

  /** A filter of somebody else's that passes and counts; `packets` tells how many it met. */
  async hangForeignFilter(priority: number, handle = 1): Promise<{ packets: () => number; close: () => void }> {
    const object = openDatapath(kernel(), 'slc_gate_egress', {
      create: { slc_state: 1, slc_egress: SLC_LIMITS.PROGRAM_SLOTS, slc_gate_counters: 4 },
    });
    await object.load();
    const state = object.map('slc_state');
    const open = Buffer.alloc(LAYOUT.slc_state.size);
    open.writeUInt8(0xff, LAYOUT.slc_state.fields.gate.offset);
    state.update(slotKey(0), open);
    state.close();
    const program = object.program('slc_gate_egress');
    await kernel().attachFilter(program, { ifindex: this.ifindex, netns: this.host.edge.path, priority, handle });
    program.close();
    const counters = object.map('slc_gate_counters');
    return {
      packets: () => {
        const values = Buffer.from(counters.lookup(slotKey(3))!);
        let sum = 0;
        for (let at = 0; at < values.length; at += LAYOUT.slc_counter.size) sum += Number(values.readBigUInt64LE(at));
        return sum;
      },
      close: () => {
        counters.close();
        object.close();
      },
    };
  }
}
