/**
 * `sluice apply` cut short: killed, or failing, at every named place of its path, while frames flow. Whatever happens
 * one ruleset judges, whole; status says which; the next apply leaves nothing of it; and every frame was counted once.
 */
import { FAILPOINTS } from '../../src/load/failpoint';
import type { Snapshot } from '../../src/observe/snapshot';
import { takeSnapshot } from '../../src/operate/enforcement';
import { serve } from '../support/clients';
import { EdgeHost, HOST, pinsOf, Prober, untilGone } from '../support/edge-host';
import { driverCounters } from '../support/ethtool';
import { Traffic } from '../support/traffic';
import { inboundRows } from '../support/snapshot-rows';

const A = 14141;
const B = 14142;
/** Destination ports of the traffic: rows of both rulesets, with the same verdict in both. */
const PORTS = { always: 8000, never: 9999 };

/** One of two rulesets: `open` is the port whose connections it lets in. */
function rulesetText(open: number, closed: number): string {
  return `version: 1
interfaces: [${HOST.link}]
inbound:
  default: deny
  rules:
    - { id: always, action: allow, port: ${PORTS.always}/udp }
    - { id: p${open}, action: allow, port: ${open}/tcp }
    - { id: p${closed}, action: deny, port: ${closed}/tcp }
    - { id: never, action: deny, port: ${PORTS.never} }
`;
}

let host: EdgeHost;
let prober: Prober;
let traffic: Traffic;
const files = new Map<number, string>();

beforeAll(async () => {
  host = await EdgeHost.open('crash');
  await serve(host.edge, [`tcp:${A}`, `tcp:${B}`]);
  prober = new Prober(host.wire);
  files.set(A, host.write('a.yaml', rulesetText(A, B)));
  files.set(B, host.write('b.yaml', rulesetText(B, A)));
  traffic = await Traffic.open(host, [PORTS.always, PORTS.never]);
});

afterAll(async () => {
  await traffic.close();
  await prober.stop();
  await host.close();
});

/** What `status` shows, read without starting a process: one is started where a command was cut short. */
const look = (): Promise<Snapshot> => takeSnapshot(host.context());

/** The port that the status of a host says is open, null where it says that nothing is filtered. */
function statedPort({ active, sections, warnings }: Snapshot): number | null {
  expect(warnings.filter((warning) => warning.includes('lost'))).toEqual([]);
  if (!active) return null;
  const open = inboundRows({ sections }).filter((row) => row.id.startsWith('p') && row.action === 'allow');
  expect(open).toHaveLength(1);
  return Number(open[0].id.slice(1));
}

/** What connections show must be what is stated. */
async function expectJudgedBy(port: number | null, snapshot?: Snapshot): Promise<void> {
  expect({ stated: statedPort(snapshot ?? (await look())), open: await prober.open(A, B) }).toEqual({
    stated: port,
    open: port === null ? [A, B] : [port],
  });
}

/** Our figures are the driver's, which counts on its own; nothing comes while they are read. */
async function expectExactCounts(before: { packets: number; drops: number }): Promise<void> {
  await traffic.pause();
  for (const deadline = Date.now() + 20_000; ;) {
    const { packets, drops } = driverCounters(host.edge, HOST.link);
    const snapshot = await takeSnapshot(host.context());
    const rows = Object.fromEntries(inboundRows(snapshot).map(({ id, packets: hits }) => [id, Number(hits)]));
    const found = { seen: Number(snapshot.packets.seen), denied: Number(snapshot.packets.denied), rows };
    const wanted = {
      seen: packets - before.packets,
      denied: drops - before.drops,
      rows: { ...rows, ...(traffic.whole && { always: traffic.sent(PORTS.always), never: traffic.sent(PORTS.never) }) },
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
async function expectWhole(): Promise<void> {
  const { generation } = await look();
  expect(host.pinned()).toEqual(pinsOf(generation!, [host.edge.ifindex(HOST.link)]));
  expect(host.slots().filter((id) => id !== null)).toHaveLength(1);
  expect(host.records()).toEqual([`generation-${generation}.json`]);
}

/** Places behind the moment at which the new ruleset judges. */
const AFTER_GATE = new Set(['after-gate', 'after-fold', 'after-retire', 'before-revision', 'after-enforced']);
/** One lies where a clsact discipline is made: e2e/clsact. */
const WAYS = FAILPOINTS.filter((place) => place !== 'after-qdisc').flatMap((place) =>
  (['kill', 'error'] as const).map((how) => ({ place, how })),
);
const STATUS = { kill: 137, error: 1 };

describe('a second ruleset over one that enforces', () => {
  let now = A;
  let before: { packets: number; drops: number };

  beforeAll(async () => {
    // The program is on the interface before traffic begins, so that all of it is counted.
    await host.must('apply', files.get(now)!);
    before = driverCounters(host.edge, HOST.link);
    const { seen, denied } = (await look()).packets;
    before = { packets: before.packets - Number(seen), drops: before.drops - Number(denied) };
    traffic.begin();
  });

  // Both gates are attached already: nothing is attached between them.
  test.each(WAYS.filter(({ place }) => place !== 'after-egress'))('$place: $how', async ({ place, how }) => {
    traffic.resume();
    const next = now === A ? B : A;
    const finished = await host.sluice(['apply', files.get(next)!], { SLUICE_FAILPOINT: `${place}:${how}` });
    expect(finished).toMatchObject({ status: STATUS[how] });
    // What failed as soon as it judged is taken back, and what judges again goes on counting.
    const judges = AFTER_GATE.has(place) || (place === 'after-exchange' && how === 'kill') ? next : now;
    const status = await host.status();
    await expectJudgedBy(judges, status);
    expect(status.file).toBe(files.get(judges));
    if (how === 'error' && judges === now) await expectWhole();
    await expectExactCounts(before);
    traffic.resume();
    await host.must('apply', files.get(next)!);
    now = next;
    await expectJudgedBy(now);
    await expectWhole();
    await expectExactCounts(before);
  });

  // Of other commands too: crash-anything.
  test('killed at 16 moments nobody chose', async () => {
    traffic.resume();
    for (let i = 0; i < 16; i++) {
      const next = now === A ? B : A;
      const child = host.startSluice(['apply', files.get(next)!]);
      await new Promise((done) => setTimeout(done, 150 + Math.random() * 500));
      await child.stop('SIGKILL');
      const { active, sections } = await takeSnapshot(host.context());
      expect(active).toBe(true);
      const stated = Number(
        inboundRows({ sections })
          .find((row) => row.id.startsWith('p') && row.action === 'allow')
          ?.id.slice(1),
      );
      expect(await prober.open(A, B)).toEqual([stated]);
      if (stated !== now) now = stated;
    }
    await host.must('apply', files.get(A)!);
    await expectJudgedBy(A);
    await expectWhole();
    await expectExactCounts(before);
  });

  test('disable takes every object away', async () => {
    await traffic.pause();
    const objects = host.objects();
    await host.must('disable', '--yes');
    expect(host.pinned()).toEqual([]);
    expect(host.records()).toEqual([]);
    await untilGone(objects);
  });
});

describe('the first ruleset', () => {
  beforeAll(() => {
    // Frames that come before the program is attached are nobody's to count: the driver's figures alone are compared.
    traffic.whole = false;
  });

  /** Where the new ruleset is on the interface already, since the gate changes before it is attached. */
  const ATTACHED = new Set(['after-attach', ...AFTER_GATE]);

  test.each(WAYS)('$place: $how', async ({ place, how }) => {
    const before = driverCounters(host.edge, HOST.link);
    const { seen, denied } = (await look()).packets;
    const counted = { packets: before.packets - Number(seen), drops: before.drops - Number(denied) };
    traffic.resume();
    const finished = await host.sluice(['apply', files.get(A)!], { SLUICE_FAILPOINT: `${place}:${how}` });
    // Nothing retires in a first apply, so that place is not passed.
    const reached = place !== 'after-fold';
    expect(finished).toMatchObject({ status: reached ? STATUS[how] : 0 });
    const judges = ATTACHED.has(place) && !(how === 'error' && place === 'after-attach');
    await expectJudgedBy(judges ? A : null, await host.status());
    if (!judges && how === 'error') {
      expect(host.pinned()).toEqual([]);
      expect(host.records()).toEqual([]);
    }
    await host.must('apply', files.get(B)!);
    await expectJudgedBy(B);
    await expectWhole();
    await expectExactCounts(counted);
    await host.must('disable', '--yes');
    expect(host.pinned()).toEqual([]);
  });
});
