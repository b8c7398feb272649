/** Both programs of a generation over a ring, figures and caps of the test's own: what is told of composed frames. */
import { compile } from '../../src/compile/compile';
import { createGenerationMaps } from '../../src/kernel/datapath-maps';
import { openDatapath } from '../../src/kernel/datapath-object';
import { datapathSwitches } from '../../src/kernel/datapath-switches';
import { loadProgram } from '../../src/kernel/load-program';
import type { BpfMap, BpfProgram, EventRing } from '../../src/kernel/kernel';
import { kernel } from '../../src/kernel/native';
import { BanTable } from '../../src/load/ban-table';
import { tableSwitches } from '../../src/load/tables';
import type { Prefix } from '../../src/model/prefix';
import type { Ruleset } from '../../src/model/ruleset';
import { type EventFigures, fieldOf, type PacketEvent, readEventFigures, readEvents } from '../../src/observe/events';
import { parseRuleset } from '../../src/parse/parse';

/** A window of the caps that does not end during a test: 2^30 ticks. */
const LONG_WINDOW = 30;

export class EventStand {
  private constructor(
    readonly ruleset: Ruleset,
    readonly ingress: BpfProgram,
    readonly egress: BpfProgram,
    readonly ring: EventRing,
    private readonly maps: Readonly<
      Record<
        'image' | 'counters' | 'events' | 'eventStats' | 'eventSources' | 'state' | 'hosts' | 'nets' | 'filter',
        BpfMap
      >
    >,
    private readonly ranks: ReadonlyMap<number, { section: string; id: string }>,
  ) {}

  /** `banned`: without end. */
  static async load(
    text: string,
    options: { ringBytes?: number; window?: number; banned?: readonly Prefix[] } = {},
  ): Promise<EventStand> {
    const { ruleset, diagnostics } = parseRuleset(text, { file: 'events.yaml' });
    if (!ruleset) throw new Error(JSON.stringify(diagnostics));
    const image = compile(ruleset);
    const tables = tableSwitches({
      seed: new Uint8Array(8),
      hz: 1000,
      flowBuckets: 1,
      fragmentBuckets: 1,
      generation: 1,
    });
    const events = { window: options.window ?? LONG_WINDOW, factor: 0x9e3779b97f4a7c15n };
    const switches = datapathSwitches(image, false, tables, events);
    const object = openDatapath(kernel(), 'slc_read_clock', {
      create: {
        slc_clock: 1,
        slc_events: options.ringBytes ?? 1 << 20,
        slc_event_stats: 1,
        slc_event_sources: kernel().possibleCpus(),
        ...{ slc_state: 1, slc_ban_hosts: 8, slc_ban_nets: 8, slc_ban_filter: 1 },
      },
    });
    await object.load();
    const maps = {
      ...createGenerationMaps(kernel(), switches),
      events: object.map('slc_events'),
      eventStats: object.map('slc_event_stats'),
      eventSources: object.map('slc_event_sources'),
      ...{ state: object.map('slc_state'), filter: object.map('slc_ban_filter') },
      ...{ hosts: object.map('slc_ban_hosts'), nets: object.map('slc_ban_nets') },
    };
    object.close();
    const bans = (options.banned ?? []).map((prefix) => ({ prefix, expiresNs: null, packets: 0n, lastHitNs: null }));
    await new BanTable(maps).change([], bans, []);
    const region = maps.image.mmap({ writable: true });
    await region.write(0, image.bytes);
    region.close();
    const ingress = await loadProgram(kernel(), 'slc_ingress', switches, { ...maps, bans: maps });
    const egress = await loadProgram(kernel(), 'slc_egress_main', switches, maps);
    const ranks = new Map(image.ranks.map(({ rank, section, id }) => [rank, { section, id }]));
    return new EventStand(ruleset, ingress.program, egress.program, maps.events.ring(), maps, ranks);
  }

  /** Runs the frame so often and returns what was told of it. */
  async tell(frame: Uint8Array, hook: 'ingress' | 'egress' = 'ingress', repeat = 1): Promise<PacketEvent[]> {
    await this[hook].testRun({ frame, repeat });
    return this.read();
  }

  /** Runs frames one after the other, and returns what was told of them. */
  async tellAll(frames: readonly Uint8Array[]): Promise<PacketEvent[]> {
    await this.ingress.testRunBatch({
      frames: Buffer.concat(frames),
      lengths: Uint32Array.from(frames, ({ length }) => length),
    });
    return this.read();
  }

  /** Everything in the ring; it is released. */
  read(): Promise<PacketEvent[]> {
    return readRing(this.ring, (rank) => this.ranks.get(rank));
  }

  figures(): EventFigures {
    return readEventFigures(this.maps.eventStats);
  }

  close(): void {
    this.ring.close();
    this.ingress.close();
    this.egress.close();
    for (const map of Object.values(this.maps)) map.close();
  }
}

/** Everything in a ring of events; it is released. */
export async function readRing(
  ring: EventRing,
  rank: (rank: number) => { section: string; id: string } | undefined,
): Promise<PacketEvent[]> {
  const told: PacketEvent[] = [];
  for (;;) {
    const batch = await ring.read({ timeoutMs: 0 });
    if (!batch) return told;
    const names = {
      interface: (ifindex: number) => `if${ifindex}`,
      rank: (_generation: number, number: number) => rank(number) ?? null,
      section: () => 'inbound',
      ring: 'test',
    };
    told.push(...readEvents(batch, names, { ns: kernel().bootTimeNs(), wallMs: Date.now() }));
    ring.release(batch.end);
  }
}

/** `BLOCK default default`: what an event is about, by which rule, why. */
export function gist(event: PacketEvent): string {
  return [event.word, fieldOf(event, 'RULE') || '-', fieldOf(event, 'REASON')].join(' ');
}
