/**
 * A filtered host under traffic, and two rulesets of it that differ in the port they let in to; a server of both has rows
 * that may wait to be confirmed by themselves. What is said to enforce is compared with what connections show, counts with
 * the driver's own: by tests that cut commands short.
 */
import { readFileSync } from 'node:fs';
import type { Snapshot } from '../../src/observe/snapshot';
import { takeSnapshot } from '../../src/operate/enforcement';
import { serve } from './clients';
import { EdgeHost, HOST, pinsOf, Prober } from './edge-host';
import { driverCounters } from './ethtool';
import { inboundRows } from './snapshot-rows';
import { Traffic } from './traffic';

/** TCP ports: of each ruleset's row, and of the server's. */
export const PORTS = { a: 14141, b: 14142, server: 1080 } as const;
/** Destination ports of the traffic: rows of both rulesets, with the same verdict in both. */
const TRAFFIC = { always: 8000, never: 9999 } as const;
/** A change that makes the server wait. */
export const SERVER_SHUT = ['deny', `${PORTS.server}/tcp`, '--server', 'red'] as const;

const PATIENCE_MS = 60_000;

/** One of two rulesets: `open` is the port whose connections it lets in. */
function rulesetText(open: number, closed: number, server: 'allow' | 'deny'): string {
  return `version: 1
interfaces: [${HOST.link}]
logging: low
inbound:
  default: deny
  rules:
    - { id: always, action: allow, port: ${TRAFFIC.always}/udp }
    - { id: p${open}, action: allow, port: ${open}/tcp }
    - { id: p${closed}, action: deny, port: ${closed}/tcp }
    - { id: never, action: deny, port: ${TRAFFIC.never} }
servers:
  red:
    address: ${HOST.ipv4}
    ports: 1000-1099
    rules:
      - { id: web, action: ${server}, port: ${PORTS.server}/tcp }
`;
}

export class CrashStand {
  /** What the driver counted before sluice did. */
  #before = { packets: 0, drops: 0 };

  private constructor(
    readonly host: EdgeHost,
    readonly traffic: Traffic,
    private readonly prober: Prober,
  ) {}

  /** Nothing is applied yet. */
  static async open(scope: string): Promise<CrashStand> {
    const host = await EdgeHost.open(scope);
    await serve(
      host.edge,
      Object.values(PORTS).map((port) => `tcp:${port}`),
    );
    const traffic = await Traffic.open(host, Object.values(TRAFFIC));
    const stand = new CrashStand(host, traffic, new Prober(host.wire));
    stand.write('allow');
    return stand;
  }

  /** (Re-)writes both rulesets. */
  write(server: 'allow' | 'deny'): void {
    this.host.write('a.yaml', rulesetText(PORTS.a, PORTS.b, server));
    this.host.write('b.yaml', rulesetText(PORTS.b, PORTS.a, server));
  }

  file(name: 'a' | 'b'): string {
    return `${this.host.directory}/${name}.yaml`;
  }

  text(name: 'a' | 'b'): string {
    return readFileSync(this.file(name), 'utf8');
  }

  /** What `status` shows, read without starting a process: one is started where a command was cut short. */
  look(): Promise<Snapshot> {
    return takeSnapshot(this.host.context());
  }

  /** Names of servers that wait. */
  async waiting(): Promise<string[]> {
    return (await this.look()).waiting.map(({ section }) => section);
  }

  /** Ports that connections reach: those that status says are open. */
  async reached(snapshot?: Snapshot): Promise<number[]> {
    for (;;) {
      const stated = statedPorts(snapshot ?? (await this.look()));
      const found = await this.prober.open(...Object.values(PORTS));
      // A deadline may have passed in between.
      if (!snapshot && statedPorts(await this.look()).join() !== stated.join()) continue;
      expect({ stated, found }).toEqual({ stated, found: stated });
      return found;
    }
  }

  /** Counting begins: the program is on the interface before traffic is, so that all of it is counted. */
  async begin(): Promise<void> {
    await this.expectCountsFromHere();
    this.traffic.begin();
  }

  /** What comes from here on is counted by both, ours and the driver. */
  async expectCountsFromHere(): Promise<void> {
    const { packets, drops } = driverCounters(this.host.edge, HOST.link);
    const { seen, denied } = (await this.look()).packets;
    this.#before = { packets: packets - Number(seen), drops: drops - Number(denied) };
  }

  /** Our figures are the driver's, which counts on its own; nothing comes while they are read. */
  async expectExactCounts(): Promise<void> {
    const { host, traffic } = this;
    await traffic.pause();
    for (const deadline = Date.now() + PATIENCE_MS; ;) {
      const { packets, drops } = driverCounters(host.edge, HOST.link);
      const snapshot = await this.look();
      const rows = Object.fromEntries(inboundRows(snapshot).map(({ id, packets: hits }) => [id, Number(hits)]));
      const sent = { always: traffic.sent(TRAFFIC.always), never: traffic.sent(TRAFFIC.never) };
      const found = { seen: Number(snapshot.packets.seen), denied: Number(snapshot.packets.denied), rows };
      const wanted = {
        seen: packets - this.#before.packets,
        denied: drops - this.#before.drops,
        rows: { ...rows, ...(traffic.whole && sent) },
      };
      // Ends of probed connections may still be on their way.
      if (Date.now() > deadline || JSON.stringify(found) === JSON.stringify(wanted)) {
        expect(found).toEqual(wanted);
        return;
      }
      await new Promise((done) => setTimeout(done, 50));
    }
  }

  /** Exactly one generation, in the kernel and in the files. */
  async expectWhole(): Promise<void> {
    const { host } = this;
    const { generation, warnings } = await this.look();
    expect(warnings.filter((warning) => warning.includes('lost'))).toEqual([]);
    expect(host.pinned()).toEqual(pinsOf(generation!, [host.edge.ifindex(HOST.link)]));
    for (const hook of ['programs', 'egress'] as const)
      expect(host.slots(hook).filter((id) => id !== null)).toHaveLength(1);
    expect(host.records()).toEqual([`generation-${generation}.json`]);
  }

  /** Throws where the three numbers do not agree. */
  async close(): Promise<void> {
    await this.traffic.close();
    await this.prober.stop();
    await this.host.close();
  }
}

/** The ports that a snapshot says are open: of one ruleset, or all where nothing is filtered. */
function statedPorts({ active, sections, warnings }: Snapshot): number[] {
  expect(warnings.filter((warning) => warning.includes('lost'))).toEqual([]);
  if (!active) return Object.values(PORTS).sort((a, b) => a - b);
  const open = inboundRows({ sections }).filter((row) => /^p\d/.test(row.id) && row.action === 'allow');
  const rows = sections.find(({ name }) => name === 'red')!.rows.filter(({ to }) => to.includes(`${PORTS.server}`));
  const server = rows.some(({ action }) => action === 'allow') ? [PORTS.server] : [];
  return [...server, ...open.map(({ id }) => Number(id.slice(1)))];
}
