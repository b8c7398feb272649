/**
 * What comes to one server takes nothing of another: flows, windows of limit rules and events of blue are the same whether
 * red is flooded or not, to the last entry. Sources are drawn anew each time: who floods does not know the hash.
 */
import { LAYOUT, SLC_EVENT_LIMITS, SLC_LIMITS } from '../../src/abi/layout.gen';
import { sharesOf } from '../../src/compile/shares';
import { measureHz } from '../../src/kernel/clock';
import type { BpfMap } from '../../src/kernel/kernel';
import { kernel } from '../../src/kernel/native';
import { fieldOf, type PacketEvent } from '../../src/observe/events';
import { closesAfterEach } from '../support/close-after';
import { EventStand } from '../support/event-stand';
import { FlowStand, FlowTable } from '../support/flow-stand';
import { IngressStand, IngressTables } from '../support/ingress-stand';
import { Random, testSeed } from '../support/generate/random';
import * as p from '../support/packet';

const opened = closesAfterEach();
const [RED, BLUE] = ['192.0.2.101', '192.0.2.102'];
/** Numbers that a first image gives them: by name. */
const [BLUE_NUMBER, RED_NUMBER] = [1, 2];
const batch = (frames: readonly Uint8Array[]): [Uint8Array, Uint32Array] => [
  Buffer.concat(frames),
  Uint32Array.from(frames, ({ length }) => length),
];
/** One of 2^17 addresses that nobody has. */
const stranger = (i: number): string => `198.${18 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`;

function shareOf(map: BpfMap, number: number): Record<'held' | 'evicted' | 'refused', number> {
  const { size, fields } = LAYOUT.slc_share;
  const bytes = Buffer.from(map.lookup(new Uint8Array(4))!);
  const read = ({ offset }: { offset: number }): number => Number(bytes.readBigUInt64LE(number * size + offset));
  return { held: read(fields.held), evicted: read(fields.evicted), refused: read(fields.refused) };
}

describe('flows', () => {
  const EDGE = `version: 1
interfaces: [eth0]
logging: off
flows: { max: 1024 }
inbound: { default: deny }
servers:
  red: { address: ${RED}, udp: on }
  blue: { address: ${BLUE}, udp: on }
`;
  const BUCKETS = 256;
  const SHARE = sharesOf(2, 1024).flows;
  const out = (from: string, i: number): Uint8Array =>
    p.compose(p.ipv4({ from, to: stranger(i) }), p.udp({ from: 40_000, to: 1 + (i % 60_000) }));
  const load = async (): Promise<FlowStand> => {
    const table = await FlowTable.create(BUCKETS, await measureHz(kernel()));
    const stand = await FlowStand.load(EDGE, table);
    opened.push(stand, table);
    return stand;
  };
  const namesOf = async ({ table }: Pick<FlowStand, 'table'>, address: string): Promise<string[]> => {
    const word = String(Buffer.from(address.split('.').map(Number)).readUInt32BE());
    return [...(await table.names())].filter((name) => name.split(' ')[1] === word).sort();
  };
  const several = (from: string, count: number, first = 0): Uint8Array[] =>
    Array.from({ length: count }, (_, i) => out(from, first + i));

  test('a flood out of one server leaves another all that it has and may have', async () => {
    const [alone, beside] = [await load(), await load()];
    const [early, late] = [several(BLUE, 100), several(BLUE, SHARE - 100, 100)];
    await alone.outMany(...batch([...early, ...late]));
    await beside.outMany(...batch(early));
    await beside.outMany(...batch(several(RED, 20_000)));
    // Beyond its share, where there was room that nobody used.
    expect((await namesOf(beside, RED)).length).toBeGreaterThan(SHARE);
    expect(await namesOf(beside, BLUE)).toHaveLength(100);
    // While red goes on: one after the other.
    const more = several(RED, late.length * 8, 20_000);
    await beside.outMany(...batch(late.flatMap((frame, i) => [frame, ...more.slice(8 * i, 8 * i + 8)])));
    expect(await namesOf(beside, BLUE)).toEqual(await namesOf(alone, BLUE));
    expect(await namesOf(beside, BLUE)).toHaveLength(SHARE);
    const blue = shareOf(beside.table.maps.flowShares, BLUE_NUMBER);
    expect(blue).toEqual({ held: SHARE, evicted: 0, refused: 0 });
    const red = shareOf(beside.table.maps.flowShares, RED_NUMBER);
    expect(red.held).toBe((await namesOf(beside, RED)).length);
    const { made, evicted, live } = await beside.table.figures();
    expect(Number(evicted)).toBe(red.evicted);
    expect(Number(made)).toBe(live + Number(evicted));
    expect(red.held + SHARE).toBe(live);
  });

  test('who is above his share opens nothing where all others are within theirs', async () => {
    const stand = await load();
    // Blue and the edge itself fill what they may, red first what was free.
    await stand.outMany(...batch(several(RED, 20_000)));
    const held = shareOf(stand.table.maps.flowShares, RED_NUMBER).held;
    expect(held).toBe(BUCKETS * SLC_LIMITS.TABLE_WAYS);
    await stand.outMany(...batch(several(BLUE, SHARE)));
    await stand.outMany(...batch(several('192.0.2.103', SHARE)));
    const before = await namesOf(stand, BLUE);
    await stand.outMany(...batch(several(RED, 20_000, 30_000)));
    expect(await namesOf(stand, BLUE)).toEqual(before);
    expect(before).toHaveLength(SHARE);
    expect(await namesOf(stand, '192.0.2.103')).toHaveLength(SHARE);
    expect(shareOf(stand.table.maps.flowShares, RED_NUMBER).held).toBe(held - 2 * SHARE);
  });

  test('flows that have ended take nothing of a share, nor of who opens others', async () => {
    const stand = await load();
    await stand.outMany(...batch(several(RED, 1500)));
    expect(shareOf(stand.table.maps.flowShares, RED_NUMBER).held).toBeGreaterThan(SHARE);
    await stand.table.age('flows', 3600);
    await stand.outMany(...batch(several(RED, 50, 5000)));
    const before = await namesOf(stand, RED);
    expect(before).toHaveLength(50);
    const { evicted } = shareOf(stand.table.maps.flowShares, RED_NUMBER);
    await stand.outMany(...batch(several(BLUE, 20_000)));
    expect(await namesOf(stand, RED)).toEqual(before);
    expect(shareOf(stand.table.maps.flowShares, RED_NUMBER)).toEqual({ held: 50, evicted, refused: 0 });
    // One that ended and is opened again is his once.
    await stand.table.age('flows', 3600);
    await stand.outMany(...batch([...several(RED, 50, 5000), ...several(RED, 50, 5000)]));
    await stand.outMany(...batch(several(BLUE, 20_000, 20_000)));
    expect(await namesOf(stand, RED)).toEqual(before);
    expect(shareOf(stand.table.maps.flowShares, RED_NUMBER).held).toBe(50);
  });

  test('a smaller table takes from who has more than his share there', async () => {
    const larger = await FlowTable.create(4 * BUCKETS, await measureHz(kernel()));
    const stand = await FlowStand.load(EDGE, larger);
    opened.push(stand, larger);
    await stand.outMany(...batch(several(BLUE, SHARE)));
    const flows = await namesOf(stand, BLUE);
    await stand.outMany(...batch(several(RED, 40_000)));
    const smaller = await FlowTable.create(BUCKETS, await measureHz(kernel()));
    opened.push(smaller);
    const { live } = await larger.figures();
    const lost = await smaller.moveFrom(larger, 1, SHARE);
    expect(await namesOf({ table: smaller }, BLUE)).toEqual(flows);
    expect(flows).toHaveLength(SHARE);
    const blue = shareOf(smaller.maps.flowShares, BLUE_NUMBER);
    expect(blue).toEqual({ held: SHARE, evicted: 0, refused: 0 });
    const red = shareOf(smaller.maps.flowShares, RED_NUMBER);
    expect(red.held + SHARE).toBe((await smaller.figures()).live);
    expect(red.held + SHARE).toBe(live - lost);
    // The second time, after the programs were exchanged: the same again.
    await smaller.moveFrom(larger, 1, SHARE);
    expect(await namesOf({ table: smaller }, BLUE)).toEqual(flows);
    expect(shareOf(smaller.maps.flowShares, RED_NUMBER).held + SHARE).toBe((await smaller.figures()).live);
  });

  test('where a table takes the place of another each has there what he had', async () => {
    const stand = await load();
    await stand.outMany(...batch([...several(RED, 50), ...several(BLUE, 30)]));
    const larger = await FlowTable.create(2 * BUCKETS, await measureHz(kernel()));
    opened.push(larger);
    expect(await larger.moveFrom(stand.table, 1)).toBe(0);
    expect(shareOf(larger.maps.flowShares, RED_NUMBER).held).toBe(50);
    expect(shareOf(larger.maps.flowShares, BLUE_NUMBER).held).toBe(30);
  });
});

describe('windows of limit rules', () => {
  const BUCKETS = 64;
  const SHARE = sharesOf(2, 65_536).windows;
  const EDGE = `version: 1
interfaces: [eth0]
logging: off
inbound: { default: deny }
servers:
  red: { address: ${RED}, rules: [{ id: door, action: limit, port: 22/tcp, limit: 3/1h, verdict: deny }] }
  blue: { address: ${BLUE}, rules: [{ id: door, action: limit, port: 22/tcp, limit: 3/1h, verdict: deny }] }
`;
  const syn = (to: string, from: string): Uint8Array => p.compose(p.ipv4({ from, to }), p.tcp({ to: 22 }));
  const load = async (edge = EDGE): Promise<IngressStand> => {
    const tables = await IngressTables.create(BUCKETS);
    const stand = await IngressStand.load(edge, tables);
    // As of an edge of many: the table is small here.
    await stand.setShares({ windows: 32 });
    opened.push(stand, tables);
    tables.now = 1_000_000;
    return stand;
  };
  const ours = Array.from({ length: 32 }, (_, i) => `203.0.113.${i + 1}`);
  /** Blue's sources knock, four times each: what becomes of each attempt. */
  const knock = async (stand: IngressStand, meanwhile: () => Promise<void>): Promise<string[]> => {
    const said: string[] = [];
    for (let round = 0; round < 4; round++)
      for (const from of ours) {
        stand.tables.now++;
        said.push((await stand.in(syn(BLUE, from))).at);
        await meanwhile();
      }
    return said;
  };

  test.each([1, 4])('sources at one server, %d attempts each, count nothing away of another', async (attempts) => {
    expect(SHARE).toBe(5461);
    const [alone, beside] = [await load(), await load()];
    let next = 0;
    const flood = async (count: number): Promise<void> => {
      const frames = Array.from({ length: count * attempts }, (_, i) =>
        syn(RED, stranger(next + Math.floor(i / attempts))),
      );
      next += count;
      await beside.inMany(frames);
    };
    await flood(20_000);
    const expected = await knock(alone, async () => {});
    expect(await knock(beside, () => flood(50))).toEqual(expected);
    // Two are let in of each, the others are refused.
    const times = (text: string): string[] => new Array<string>(64).fill(text);
    expect(expected).toEqual([...times('blue/door'), ...times('blue/door/refused')]);
    const blue = shareOf(beside.tables.maps.windowShares, BLUE_NUMBER);
    expect(blue).toEqual({ held: 32, evicted: 0, refused: 0 });
    const red = shareOf(beside.tables.maps.windowShares, RED_NUMBER);
    const { live, liveBy, evicted } = await beside.tables.limits();
    expect([liveBy.get(RED_NUMBER), liveBy.get(BLUE_NUMBER)]).toEqual([live - 32, 32]);
    expect(red.held).toBe(live - 32);
    expect(Number(evicted)).toBe(red.evicted);
    expect(red.held).toBeGreaterThan(32);
    // Those at their limit never make room: newcomers to red alone are turned away.
    if (attempts === 4) expect(red.refused).toBeGreaterThan(0);
  });

  test.each([1, 4])('what is over takes nothing of a share; %d attempts each at another server', async (attempts) => {
    // Blue forgets within seconds, red within an hour.
    const edge = EDGE.replace(/(blue: .*)1h/, '$130s');
    const [alone, beside] = [await load(edge), await load(edge)];
    let next = 0;
    const flood = async (count: number): Promise<void> => {
      const frames = Array.from({ length: count * attempts }, (_, i) =>
        syn(RED, stranger(next + Math.floor(i / attempts))),
      );
      next += count;
      await beside.inMany(frames);
    };
    await flood(20_000);
    // More sources than blue's share, in ways that red left; then all that is over, while red's is not.
    for (let i = 0; i < 200; i++) {
      beside.tables.now += 1000;
      await beside.in(syn(BLUE, `192.0.2.${i + 1}`));
    }
    for (const { tables } of [alone, beside]) tables.now = 2_000_000;
    // Whoever looks for room in a bucket gives back what is over there.
    await flood(5_000);
    expect(shareOf(beside.tables.maps.windowShares, BLUE_NUMBER).held).toBe(0);
    const expected = await knock(alone, async () => {});
    expect(await knock(beside, () => flood(50))).toEqual(expected);
  });
});

test('whatever rows red has, and whatever comes to it, blue lets in, counts and remembers the same', async () => {
  const random = new Random(testSeed(5151));
  const drawRow = (i: number): string =>
    JSON.stringify({
      id: random.chance(0.5) ? 'door' : `row-${i}`,
      action: random.pick(['allow', 'deny', 'reject', 'limit']),
      // Whoever writes them may name addresses and ports that are not his, and ids that another has.
      ...(random.chance(0.3) && { from: random.pick(['203.0.113.0/24', '198.18.0.0/15', BLUE]) }),
      port: random.pick(['22/tcp', '1:65535/tcp', '80/tcp']),
    });
  const blue = 'rules: [{ id: door, action: limit, port: 22/tcp, limit: 3/1h, verdict: deny }, deny 80/tcp]';
  const edge = (red: readonly string[]): string =>
    `version: 1\ninterfaces: [eth0]\nlogging: off\ninbound: { default: deny }\nservers:\n` +
    `  red: { address: ${RED}, rules: [${red.join(', ')}] }\n  blue: { address: ${BLUE}, ${blue} }\n`;
  for (let round = 0; round < 6; round++) {
    const ids = new Set<string>();
    const rows = Array.from({ length: random.below(6) }, (_, i) => drawRow(i)).filter((row) => {
      const { id } = JSON.parse(row) as { id: string };
      return !ids.has(id) && ids.add(id);
    });
    const stands: IngressStand[] = [];
    for (const red of [[], rows]) {
      const tables = await IngressTables.create(16);
      const stand = await IngressStand.load(edge(red), tables);
      await stand.setShares({ windows: 8 });
      tables.now = 1_000_000;
      stands.push(stand);
      opened.push(stand, tables);
    }
    const [alone, beside] = stands;
    for (let i = 0; i < 60; i++) {
      const flood = Array.from({ length: random.below(60) }, () =>
        p.compose(
          p.ipv4({
            from: random.chance(0.2) ? `203.0.113.${random.below(8)}` : stranger(random.below(1 << 17)),
            to: RED,
          }),
          p.tcp({ to: random.pick([22, 80, 443]) }),
        ),
      );
      if (flood.length > 0) await beside.inMany(flood);
      for (const { tables } of stands) tables.now += 1000;
      const frame = p.compose(
        p.ipv4({ from: `203.0.113.${random.below(8)}`, to: BLUE }),
        p.tcp({ to: random.pick([22, 22, 80]) }),
      );
      const [here, there] = [await alone.in(frame), await beside.in(frame)];
      expect([round, i, there.action, there.at]).toEqual([round, i, here.action, here.at]);
    }
    // What red's packets did is counted at rows of red.
    for (const row of ['blue/door', 'blue/deny-80_tcp', 'blue/default'])
      expect([round, row, countOf(beside, row)]).toEqual([round, row, countOf(alone, row)]);
    const [mine, other] = [await alone.tables.limits(), await beside.tables.limits()];
    expect(other.liveBy.get(BLUE_NUMBER)).toBe(mine.liveBy.get(BLUE_NUMBER));
    expect(shareOf(beside.tables.maps.windowShares, BLUE_NUMBER)).toEqual(
      shareOf(alone.tables.maps.windowShares, BLUE_NUMBER),
    );
  }
});

/** Packets and bytes of a row. */
function countOf(stand: IngressStand, row: string): unknown {
  const { packets, bytes } = stand.hitsOf(row);
  return { packets, bytes };
}

describe('events', () => {
  const { EVENT_CAP_SOURCE: SOURCE } = SLC_EVENT_LIMITS;
  const SHARE = sharesOf(2, 65_536).events;
  const ports = [8001, 8002, 8003, 8004];
  const EDGE = `version: 1
interfaces: [eth0]
logging: low
inbound: { rules: [deny log-all 8001:8004/tcp] }
servers:
  red: { address: ${RED}, rules: ${JSON.stringify(ports.map((port) => `deny log-all ${port}/tcp`))} }
  blue: { address: ${BLUE}, rules: ${JSON.stringify(ports.map((port) => `deny log-all ${port}/tcp`))} }
`;
  const to = (address: string, from: string, i: number): Uint8Array =>
    p.compose(p.ipv4({ from, to: address }), p.tcp({ to: ports[i % ports.length] }));
  const toldOf = (events: readonly PacketEvent[], address: string): string[] =>
    events.filter((event) => fieldOf(event, 'DST') === address).map((event) => fieldOf(event, 'SRC')!);
  const visitors = Array.from({ length: SHARE }, (_, i) => `203.0.${i}.7`);

  test('what is told of one server is told whatever comes to another, and to the edge', async () => {
    const stand = await EventStand.load(EDGE);
    opened.push(stand);
    // The visitors of blue among them, so that red has spent what each of these may.
    const flood = (address: string): Uint8Array[] => [
      ...visitors.flatMap((from) => Array.from({ length: 8 }, (_, i) => to(address, from, i))),
      ...Array.from({ length: 4000 }, (_, i) => to(address, stranger(i), i)),
    ];
    const red = toldOf(await stand.tellAll([...flood(RED), ...flood('192.0.2.103')]), RED);
    expect(red.length).toBeGreaterThanOrEqual(SHARE);
    expect(red.length).toBeLessThanOrEqual(SHARE * kernel().possibleCpus());
    const events = await stand.tellAll(visitors.map((from, i) => to(BLUE, from, i)));
    expect(toldOf(events, BLUE)).toEqual(visitors);
    const { capped, made, written, ringFull } = stand.figures();
    expect(capped.server).toBeGreaterThan(0n);
    expect(written + capped.all + capped.server + capped.rule + capped.source + ringFull).toBe(made);
  });

  test('whatever rows red has, and tells of, blue is told of the same', async () => {
    const random = new Random(testSeed(5152));
    for (let round = 0; round < 3; round++) {
      const row = (): string =>
        `${random.pick(['deny', 'allow', 'reject'])} ${random.pick(['log-all ', 'log ', ''])}${random.pick([8001, 8002, 8003, 8004])}/tcp`;
      const rows = [...new Set(Array.from({ length: random.below(5) }, row))];
      const stand = await EventStand.load(
        EDGE.replace(/red: .*/, `red: { address: ${RED}, rules: ${JSON.stringify(rows)} }`),
      );
      opened.push(stand);
      const flood = Array.from({ length: 2000 }, (_, i) =>
        to(RED, random.chance(0.3) ? random.pick(visitors) : stranger(random.below(1 << 17)), i),
      );
      await stand.tellAll(flood);
      const events = await stand.tellAll(visitors.map((from, i) => to(BLUE, from, i)));
      expect([round, rows, toldOf(events, BLUE)]).toEqual([round, rows, visitors]);
    }
  });

  test('within a server each source has its own cap', async () => {
    const stand = await EventStand.load(EDGE);
    opened.push(stand);
    const one = Array.from({ length: 20 }, (_, i) => to(BLUE, visitors[0], i));
    const told = toldOf(await stand.tellAll(one), BLUE);
    expect(told.length).toBeGreaterThanOrEqual(SOURCE);
    expect(told.length).toBeLessThanOrEqual(SOURCE * kernel().possibleCpus());
  });

  test('who comes to two servers by turns has of each what one source may, and no more', async () => {
    const stand = await EventStand.load(EDGE);
    opened.push(stand);
    const turns = Array.from({ length: 40 }, (_, i) => [to(RED, visitors[0], i), to(BLUE, visitors[0], i)]).flat();
    const events = await stand.tellAll(turns);
    for (const address of [RED, BLUE]) {
      const told = toldOf(events, address);
      expect(told.length).toBeGreaterThanOrEqual(SOURCE);
      expect(told.length).toBeLessThanOrEqual(SOURCE * kernel().possibleCpus());
    }
  });
});
