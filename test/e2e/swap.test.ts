/**
 * A thousand exchanges of a thousand-rule ruleset under a stream of live frames. Every frame's verdict is known by
 * its port; a single misjudged, unfiltered or uncounted frame would change a figure.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { SLC_LIMITS } from '../../src/abi/layout.gen';
import type { Image } from '../../src/compile/image';
import type { CounterFigures } from '../../src/kernel/counters';
import type { Kernel } from '../../src/kernel/kernel';
import type { PinLayout } from '../../src/kernel/pins';
import { applyImage } from '../../src/load/apply';
import { resolveInterfaces } from '../../src/load/attach';
import { type Fold, generationCounters } from '../../src/load/generations';
import { unload } from '../../src/load/unload';
import { checkRuleset } from '../../src/operate/check';
import { testContext } from '../support/context';
import { driverCounters, since } from '../support/ethtool';
import { type InUse, inUse } from '../support/in-use';
import { Injector } from '../support/injector';
import { joinByVeth, Namespace } from '../support/netns';
import { ownObjects } from '../support/own-objects';
import { compose, ethernet, ipv4, udp } from '../support/packet';
import { must } from '../support/process';

const SWAPS = Number(process.env.SLUICE_SWAPS ?? 1000);
const FRAMES_A_CALL = 16_384;

const PORTS = { always: 8000, never: 9999, sometimes: 7777, nobody: 6666 };
/** What engines do with their memory is not that regular; what leaked at each swap would be much more. */
const GROWTH_MIB = 4;
/** Half of the frames hit a rule that denies them in both rulesets, so that the stack behind has little to do. */
const { always, never, sometimes, nobody } = PORTS;
const RING = [always, never, sometimes, never, nobody, never, sometimes, never];

/** A thousand rules; `even` turns their order round and lets `sometimes` in. */
function rulesetText(even: boolean): string {
  const filler = Array.from({ length: 997 }, (_, i) => {
    const from = `172.16.${Math.floor(i / 250)}.${i % 250}`;
    return `    - { id: f${i}, action: ${i % 3 === 0 ? 'allow' : 'deny'}, from: ${from}, port: "${1000 + i}:${1100 + i}" }`;
  });
  const ours = [
    `    - { id: always, action: allow, from: 10.0.0.0/8, port: ${always}, proto: udp }`,
    `    - { id: never, action: deny, port: ${never} }`,
    `    - { id: sometimes, action: ${even ? 'allow' : 'deny'}, from: 10.0.0.0/8, port: ${sometimes} }`,
  ];
  const rules = even ? [...filler, ...ours] : [...ours.reverse(), ...filler.reverse()];
  return `version: 1\ninterfaces: [eth0]\ninbound:\n  default: deny\n  rules:\n${rules.join('\n')}\n`;
}

function compileText(text: string): Image {
  const { image, diagnostics } = checkRuleset('rules.yaml', text);
  if (!image) throw new Error(JSON.stringify(diagnostics, null, 1));
  return image;
}

/** Figures of all generations, by rule id and by reason. */
class Tally {
  readonly rows: Record<string, number> = {};
  denied = 0;
  allowed = 0;

  /** Adds a retired generation that enforced this image. */
  fold(image: Image): Fold {
    return (_generation: number, figures: ReadonlyMap<number, CounterFigures>) => {
      for (const [slot, { packets }] of figures) {
        const row = image.ranks.find(({ rank }) => rank === slot);
        const name = row?.id ?? (slot < SLC_LIMITS.RANK_FIRST ? `reason ${slot}` : `rank ${slot}`);
        this.rows[name] = (this.rows[name] ?? 0) + Number(packets);
        if (row?.action === 'deny') this.denied += Number(packets);
        if (row?.action === 'allow') this.allowed += Number(packets);
      }
      return Promise.resolve();
    };
  }
}

/** Maps and programs there are of this firewall. */
function countOf(kernel: Kernel, pins: PinLayout): { maps: number; programs: number } {
  const { maps, programs } = ownObjects(kernel, pins.directory, [process.pid]);
  return { maps: maps.size, programs: programs.size };
}

/** Counts by port what comes out of the driver into the stack, before anything of the stack can drop it. */
function watchStack(edge: Namespace): void {
  const rules = Object.values(PORTS).map((port) => `udp dport ${port} counter`);
  const chain = `chain in { type filter hook ingress device eth0 priority 0; ${rules.join('; ')}; }`;
  must(edge.argv(['nft', `table netdev watch { ${chain}; }`]));
}

function seenByStack(edge: Namespace): Record<string, number> {
  const text = must(edge.argv(['nft', 'list', 'table', 'netdev', 'watch']));
  const counted = new Map([...text.matchAll(/dport (\d+) counter packets (\d+)/g)].map(([, a, b]) => [+a, +b]));
  return Object.fromEntries(Object.entries(PORTS).map(([name, port]) => [name, counted.get(port)!]));
}

test(`${SWAPS} swaps under load: no frame misjudged, none unfiltered, none uncounted; memory flat`, async () => {
  const edge = Namespace.create('swap-edge');
  const wire = Namespace.create('swap-wire');
  joinByVeth(
    { namespace: edge, name: 'eth0', mac: '02:00:00:00:00:02', addresses: ['192.0.2.10/24'] },
    { namespace: wire, name: 'eth0', mac: '02:00:00:00:00:01', addresses: ['192.0.2.1/24'] },
  );
  const { context, destroy } = await testContext(edge.path);
  const { kernel, pins } = context;
  const injector = await Injector.open(kernel, wire.path, 'eth0', RING);
  let swapping = true;
  let traffic: Promise<void> = Promise.resolve();
  try {
    const images = [false, true].map((even) => compileText(rulesetText(even)));
    const interfaces = await resolveInterfaces(kernel, ['eth0'], edge.path);
    const tally = new Tally();
    let enforced = images[0];
    const apply = async (image: Image): Promise<number> => {
      const retiring = enforced;
      enforced = image;
      const { generation } = await applyImage(kernel, pins, {
        image,
        interfaces,
        mode: 'native',
        netns: edge.path,
        firstGeneration: () => 1,
        record: () => Promise.resolve(),
        fold: tally.fold(retiring),
        fillState: () => Promise.resolve(),
      });
      return generation;
    };
    let generation = await apply(images[0]);
    watchStack(edge);
    const before = driverCounters(edge, 'eth0');
    // To a MAC address nobody has: what passes the filter is dropped first thing in the stack.
    const frame = compose(ethernet({ to: '02:00:00:00:00:77' }), ipv4({ to: '192.0.2.10' }), udp());

    const started = Date.now();
    /** Nothing is sent before it is resolved. */
    let gate: Promise<void> = Promise.resolve();
    let sending = gate;
    traffic = (async () => {
      while (swapping) {
        sending = injector.send(frame, FRAMES_A_CALL);
        await sending;
        await gate;
      }
    })();
    /** What is held while nothing is under way: whoever sends has descriptors of his own meanwhile. */
    const held = async (): Promise<InUse & ReturnType<typeof countOf>> => {
      let open!: () => void;
      gate = new Promise((resolve) => (open = resolve));
      await sending;
      await turn(); // another may have begun before it met the gate
      await sending;
      const now = { ...inUse(), ...countOf(kernel, pins) };
      open();
      return now;
    };
    let early = await held();
    for (let i = 1; i <= SWAPS; i++) {
      generation = await apply(images[i % 2]);
      // Until then code is compiled, and memories fill.
      if (i === Math.ceil(SWAPS / 10)) early = await held();
    }
    const late = await held();
    expect({ ...late, mib: 0 }).toEqual({ ...early, mib: 0 });
    expect(late.mib - early.mib).toBeLessThan(GROWTH_MIB);
    swapping = false;
    await traffic;
    const seconds = (Date.now() - started) / 1000;

    const sent = injector.sent();
    const total = [...sent.values()].reduce((sum, count) => sum + count, 0);
    const driver = since(before, driverCounters(edge, 'eth0'));
    await tally.fold(enforced)(generation, generationCounters(kernel, pins, generation));
    const rate = Math.round(total / seconds);
    process.stderr.write(`${SWAPS} swaps in ${seconds.toFixed(1)} s under ${rate} frames/s, ${total} frames\n`);

    const rows = Object.entries({ always, never, sometimes, default: nobody }).map(([row, source]) => ({
      row,
      judged: tally.rows[row],
      sent: sent.get(source)!,
    }));
    // On a busy machine veth's ring overflows and whole batches never reach the filter: the driver did not see them.
    const lost = total - driver.packets;
    if (lost > 0) process.stderr.write(`${lost} frames were lost on the wire\n`);
    if (lost === 0) for (const { row, judged, sent } of rows) expect({ row, judged }).toEqual({ row, judged: sent });
    for (const { judged, sent } of rows) expect(judged).toBeLessThanOrEqual(sent);
    expect(rows.reduce((sum, { judged }) => sum + judged, 0)).toBe(driver.packets);
    expect(lost).toBeLessThan(total / 10);
    expect(driver.drops).toBe(tally.denied);
    // The stack's own count is the witness that no frame came in past the filter: it has met what was let in, no more.
    const allowed = { always: tally.rows.always, never: 0, sometimes: tally.allowed - tally.rows.always, nobody: 0 };
    expect(seenByStack(edge)).toEqual(allowed);
    expect(pins.generations()).toEqual([generation]);
    // The rate is printed, and is the machine's: on two idle cores well above 0.3 million a second. What must hold
    // everywhere is that each swap happened in the thick of traffic.
    expect(total).toBeGreaterThan(SWAPS * 1000);
    await unload({ kernel, pins }, () => Promise.resolve());
    expect(pins.exists()).toBe(false);
  } finally {
    swapping = false;
    await traffic.catch(() => undefined); // it has thrown above
    injector.close();
    destroy();
    edge.destroy();
    wire.destroy();
  }
}, 2_400_000);
