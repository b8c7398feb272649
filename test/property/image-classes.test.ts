/** Wide rules as class tables: what tables and bytes say is what the scan says, whichever fields tell rules apart. */
import { SLC_ENTRY } from '../../src/abi/layout.gen';
import { placeOf } from '../../src/compile/class-tables';
import { classTables, roomFor } from '../../src/compile/classes';
import { compile } from '../../src/compile/compile';
import { CompileMemory } from '../../src/compile/compile-memory';
import { expandRows, rowsOf, type RuleTable } from '../../src/compile/expand';
import type { Image } from '../../src/compile/image';
import { interpret } from '../../src/compile/interpret';
import { assignRanks, entryOfWord } from '../../src/compile/ranks';
import { ImageReader } from '../../src/compile/reader';
import { RowMemory } from '../../src/compile/row-memory';
import { imageSections } from '../../src/compile/sections';
import { evaluateSection } from '../../src/model/evaluate';
import type { Family } from '../../src/model/prefix';
import type { Rule, Ruleset, Server } from '../../src/model/ruleset';
import { at, prefix, rule, type RuleText, ruleset } from '../support/findings';
import { Random, testSeed } from '../support/generate/random';
import { drawWideRules } from '../support/generate/wide-rules';
import { drawKey, findDifference } from '../support/image-scan';

const ROOM = roomFor(1);

function kindOfWide(image: Image, family: Family): string {
  return new ImageReader(image.bytes).roots(SLC_ENTRY.INBOUND).trees[family][2].kind;
}

/** The image rules of a family. */
function tableOf(shape: Ruleset, family: Family): RuleTable {
  const [section] = imageSections(shape);
  return expandRows(rowsOf({ section, ranks: assignRanks(section, 256) }), new RowMemory()).tables[family];
}

describe('class tables = scan', () => {
  const seed = testSeed(0xc1a5);
  test.each([
    ['sources and ports', { from: true, to: false, fromPort: false, icmp: false }],
    ['destinations and ports', { from: false, to: true, fromPort: false, icmp: false }],
    ['both addresses', { from: true, to: true, fromPort: false, icmp: false }],
    ['source ports, ICMP and both addresses', { from: true, to: true, fromPort: true, icmp: true }],
    ['ports alone', { from: false, to: false, fromPort: true, icmp: true }],
  ])('%s', (_name, shape) => {
    const random = new Random(seed);
    const met = { 4: 0, 6: 0 };
    for (let round = 0; round < 12; round++) {
      const rules = drawWideRules(random, random.between(30, 120), shape);
      const image = compile(rules);
      for (const family of [4, 6] as const) met[family] += Number(kindOfWide(image, family) === 'classes');
      expect(findDifference(random.fork(), rules, image, 600)).toBeNull();
    }
    expect(met[4]).toBeGreaterThan(6);
    expect(met[6]).toBeGreaterThan(6);
  });

  test('every place of the tables, also where the image has a tree', () => {
    const random = new Random(seed + 1);
    for (let round = 0; round < 30; round++) {
      const shape = drawWideRules(random, random.between(1, 40), { from: true, to: true, fromPort: true, icmp: true });
      for (const family of [4, 6] as const) {
        const rules = tableOf(shape, family);
        const group = rules.order;
        const tables = classTables(rules, group, ROOM)!;
        for (let i = 0; i < 200; i++) {
          const key = rules.lanes.map((_, lane) => {
            const near = random.pick([...group, group[0]]);
            const value = random.pick([rules.low, rules.high])[lane][near] + random.pick([0, 0, 1, -1]);
            return value < 0 || value > rules.lanes[lane].mask ? 0 : value;
          });
          const scanned = group.findIndex((each) =>
            key.every((value, lane) => rules.low[lane][each] <= value && value <= rules.high[lane][each]),
          );
          expect(placeOf(family, tables, Uint32Array.from(key))).toBe(scanned < 0 ? group.length : scanned);
        }
      }
    }
  });
});

/** Rules that allow and deny in turn. */
const many = (count: number, text: (i: number) => RuleText): Ruleset =>
  ruleset(Array.from({ length: count }, (_, i) => rule(i + 1, i % 2 === 0 ? 'allow' : 'deny', text(i))));
const network = (i: number, bits: number): string => `${i >> 2}.${(i & 3) * 64}.0.0/${bits}`;
/** A /12 of its own for each of 4,096. */
const twelfth = (i: number): string => `${i >> 4}.${(i & 15) * 16}.0.0/12`;
/** A /31 of its own for each of 65,536, far from the next. */
const scattered6 = (i: number): string =>
  `${((i * 0x9e37) & 0xffff).toString(16)}:${((i * 2) & 0xffff).toString(16)}::/31`;

describe('no tables', () => {
  const tablesOf = (shape: Ruleset, room = ROOM, family: Family = 4): ReturnType<typeof classTables> => {
    const rules = tableOf(shape, family);
    return classTables(rules, rules.order, room);
  };

  test('for prefixes that are longer than what they look at', () => {
    const nets = (bits: number) => many(20, (i) => ({ family: 4, from: [`10.${i * 2}.0.0/${bits}`] }));
    expect(tablesOf(nets(17))).toBeNull();
    expect(tablesOf(nets(15))).not.toBeNull();
  });

  test('for more rules than tables are tried for', () => {
    const ports = (count: number): Ruleset => many(count, (i) => ({ family: 4, port: [1 + i], proto: [6] }));
    expect(tablesOf(ports(4097), 1 << 20)).toBeNull();
    expect(tablesOf(ports(4096), 1 << 20)).not.toBeNull();
  });

  test('for more pairs of networks than there is room for', () => {
    const shape = many(600, (i) => ({ family: 4, from: [network(i, 10)], to: [network(599 - i, 10)], port: [80] }));
    expect(tablesOf(shape)).toBeNull();
    expect(tablesOf(shape, 1 << 20)).not.toBeNull();
  });

  test('for a trie of networks that is larger than the room', () => {
    const shape = many(300, (i) => ({ family: 6, to: [scattered6(i)], port: [80], proto: [6] }));
    expect(tablesOf(shape, ROOM, 6)).toBeNull();
    expect(tablesOf(shape, 1 << 20, 6)).not.toBeNull();
  });

  test('for more combinations of ports and protocols than numbers', () => {
    const ports = (i: number): RuleText => ({ family: 4, port: [[1 + 5 * i, 30_000 + 5 * i]], proto: [6] });
    const protocol = (i: number): RuleText => ({ family: 4, proto: [100 + 2 * i] });
    const shape = many(4000, (i) => (i < 3970 ? ports(i) : protocol(i - 3970)));
    expect(tablesOf(shape, 1 << 30)).toBeNull();
  });

  test('for more cells than there is room for', () => {
    const shape = many(300, (i) => ({
      family: 4,
      ...{ from: [network(i, 10)], port: [[1 + 100 * i, 30_000 + 100 * i]], proto: [6] },
    }));
    expect(tablesOf(shape, 1 << 17)).toBeNull();
    expect(tablesOf(shape, 1 << 19)).not.toBeNull();
  });

  test('for more lists of source ports than there is room for', () => {
    const shape = many(200, (i) => ({
      family: 4,
      ...{ fromPort: [[1 + 100 * i, 30_000 + 100 * i]], port: [[1 + 100 * i, 20_000 + 100 * i]], proto: [6] },
    }));
    expect(tablesOf(shape, 1 << 17)).toBeNull();
    expect(tablesOf(shape, 1 << 24)).not.toBeNull();
  });

  test('where it takes too long to see that all lines are one', () => {
    // Of many thousand columns in thousands of lines none says more than the first rule.
    const shape = (count: number): Ruleset =>
      many(count, (i) =>
        i === 0
          ? { family: 4, proto: [6] }
          : { family: 4, from: [twelfth(i)], port: [[1 + 8 * i, 33_000 + 7 * i]], proto: [6] },
      );
    expect(tablesOf(shape(4096), 1 << 20)).toBeNull();
    expect(tablesOf(shape(500), 1 << 20)).not.toBeNull();
  });

  test('where lists of source ports take too long', () => {
    // Hardly two rules meet alike, whatever comes out.
    const shape = (count: number): Ruleset =>
      many(count, (i) => ({
        family: 4,
        from: [twelfth(i)],
        fromPort: [[1 + ((i * 37) % 50) * 1000, 15_000 + ((i * 37) % 50) * 1000]],
        ...{ port: [[1 + 15 * (i % 2000), 30_000 + 15 * (i % 2000)]], proto: [6] },
      }));
    expect(tablesOf(shape(4000), 1 << 30)).toBeNull();
  });
});

describe('where tables would be too large', () => {
  const hold = (shape: Ruleset): Image => {
    const image = compile(shape);
    expect(findDifference(new Random(testSeed(7)), shape, image, 2000)).toBeNull();
    return image;
  };

  test('many lists: a tree says the same, and stats say so', () => {
    const image = hold(
      many(200, (i) => ({
        fromPort: [[1 + 100 * i, 30_000 + 100 * i]],
        ...{ port: [[1 + 100 * i, 20_000 + 100 * i]], proto: [6] },
      })),
    );
    expect(['node', 'leaf']).toContain(kindOfWide(image, 4));
    expect(image.stats.fallbacks.join('\n')).toMatch(
      /ipv4, both wide: 200 rules in a tree, since class tables of them/,
    );
  });

  test.each([
    [
      'many cells',
      many(127, (i) => ({ from: [`${2 * i}.0.0.0/7`], port: [[1 + 250 * i, 30_000 + 250 * i]], proto: [6] })),
    ],
    ['many rules', many(4097, (i) => ({ family: 4, port: [[1 + i, 60_000 - i]], proto: [6] }))],
  ] as const)('%s: a tree says the same, in short leaves', (_name, shape) => {
    const image = hold(shape);
    expect(['node', 'leaf']).toContain(kindOfWide(image, 4));
    expect(image.stats.fallbacks).toEqual([]);
  });

  test.each([
    ['many pairs', many(600, (i) => ({ from: [network(i, 10)], to: [network((i * 7) % 600, 10)], port: [80 + i] }))],
    ['a large trie', many(300, (i) => ({ to: [scattered6(i)], port: [[1, 65_535 - i]], proto: [6] }))],
  ] as const)('%s: other groups say the same', (_name, shape) => {
    const image = hold(shape);
    expect(([4, 6] as const).map((family) => kindOfWide(image, family))).not.toContain('classes');
  });
});

/** Prefixes around all lengths at which groups, nodes and tables end; ports from end to end; fields that say nothing. */
function drawBounds(random: Random, count: number): Ruleset {
  const lengths = {
    4: [1, 7, 8, 9, 15, 16, 17, 23, 24, 25, 31, 32],
    6: [1, 8, 16, 23, 24, 25, 31, 32, 33, 63, 64, 65],
  };
  const drawn = (family: Family): string => {
    const bits = random.pick(lengths[family]);
    if (family === 4)
      return `${random.pick([0, 10, 10, 127, 128, 255])}.${random.pick([0, 1, 255])}.${random.pick([0, 255])}.0/${bits}`;
    return `${random.pick(['2001', '2001', '0', '8000', 'ffff'])}:${random.pick(['db8', 'dff', '0', 'ffff'])}:${random.pick(['0', 'ffff'])}::/${bits}`;
  };
  const ports = (): RuleText['port'] =>
    Array.from({ length: random.pick([1, 1, 2, 5]) }, () => {
      const first = random.pick([1, 2, 255, 256, 257, 32_767, 32_768, 65_279, 65_280, 65_534, 65_535]);
      return random.chance(0.4)
        ? first
        : ([first, random.pick([first, 65_534, 65_535].filter((last) => last >= first))] as const);
    });
  return ruleset(
    Array.from({ length: count }, (_, i) => {
      const families = random.pick([[4], [6], [4, 6]] as const);
      const list = (chance: number): { list?: string[] } =>
        random.chance(chance) ? { list: families.map(drawn) } : {};
      const [from, to] = [list(0.5).list, list(0.5).list];
      const hasPorts = random.chance(0.7);
      return rule(i + 1, random.pick(['allow', 'deny', 'reject'] as const), {
        ...(from && { from }),
        ...(to && { to }),
        ...(hasPorts && { port: random.chance(0.1) ? [[1, 65_535]] : ports() }),
        ...(hasPorts && random.chance(0.25) && { fromPort: ports() }),
        ...(random.chance(0.8) ? { proto: random.pick([[6], [17], [6, 17], [132], [33, 136]]) } : {}),
      });
    }),
  );
}

describe('hostile mixtures', () => {
  test('prefixes at every bound, lists of ports, both families', () => {
    const random = new Random(testSeed(0xb0d5));
    const met = { 4: 0, 6: 0 };
    for (let round = 0; round < 25; round++) {
      const shape = drawBounds(random, random.between(13, 150));
      const image = compile(shape);
      for (const family of [4, 6] as const) met[family] += Number(kindOfWide(image, family) === 'classes');
      expect(findDifference(random.fork(), shape, image, 800)).toBeNull();
    }
    expect(Math.min(met[4], met[6])).toBeGreaterThan(2);
  });

  test('4,096 nested rules are tables, and 200 of them with all that they have in common', () => {
    const nested = many(4096, (i) => ({ family: 4, port: [[4097 - i, 60_000 + i]], proto: [6] }));
    const image = compile(nested);
    expect(kindOfWide(image, 4)).toBe('classes');
    expect(findDifference(new Random(3), nested, image, 300)).toBeNull();
    const both = many(200, (i) => ({
      from: [network(i % 7, 9 - (i % 5))],
      to: [network(i % 5, 8 - (i % 3))],
      port: [[300 - i, 60_000 + i]],
    }));
    expect(findDifference(new Random(4), both, compile(both), 3000)).toBeNull();
  });

  test('a large server has tables of its own, beside those of inbound, and where it waits to be confirmed twice', () => {
    const random = new Random(testSeed(0x5e2));
    const shape = { from: true, to: false, fromPort: false, icmp: false, fewPorts: true };
    for (let round = 0; round < 3; round++) {
      const [own, before, inbound] = [6000, 6100, 70].map((count) => drawWideRules(random, count, shape));
      const server: Server = {
        ...{ name: 'wide', addresses: [prefix('10.0.0.0/9'), prefix('2001:db8::/30')] },
        ...{ default: 'deny', rules: own.inbound.rules, source: at(1) },
      };
      const written = ruleset(inbound.inbound.rules, { servers: [server] });
      const previous = { ...server, rules: before.inbound.rules };
      const image = compile(written, undefined, [{ previous, word: 7 }]);
      for (const isReturned of [false, true]) {
        const judging = isReturned ? previous : server;
        const reader = new ImageReader(image.bytes);
        const { trees } = reader.roots(SLC_ENTRY.SERVERS, isReturned);
        expect([4, 6].map((family) => trees[family as Family].at(-1)!.kind)).toContain('classes');
        for (let i = 0; i < 600; i++) {
          const key = { ...drawKey(random, ruleset(judging.rules)) };
          const inside =
            key.family === 4 ? [0x0a000000 | (random.word() & 0x7fffff)] : [0x20010db8, random.word(), 1, 2];
          const packet = { ...key, destination: inside };
          const expected = evaluateSection(judging, packet);
          const { word, fault } = interpret(image, packet, undefined, () => isReturned);
          const entry = entryOfWord(image.ranks, word);
          expect([fault, entry?.section, entry?.tier, entry?.rule?.id ?? null]).toEqual([
            ...[undefined, 'wide'],
            ...[expected.tier, expected.rule],
          ]);
        }
      }
    }
  });

  test('thousands of servers with rows for anybody stay small, and a packet of one reads few lines', () => {
    const SERVERS = 400;
    const ROWS = 25;
    const servers = Array.from({ length: SERVERS }, (_, number): Server => {
      const random = new Random(number);
      const rules = Array.from({ length: ROWS }, (_row, i) => {
        const first = random.between(1, 60_000);
        const port = random.chance(0.6) ? first : ([first, first + random.between(1, 400)] as const);
        return rule(i + 1, random.pick(['allow', 'deny'] as const), {
          port: [port],
          proto: random.pick([[6], [6, 17]]),
        });
      });
      const address = `198.18.${number >> 8}.${number & 255}`;
      return { name: `s${number}`, addresses: [prefix(address)], default: 'deny', rules, source: at(1) };
    });
    const written = ruleset([], { servers });
    const image = compile(written);
    // Both families; a hundred thousand rows are to be some ten million bytes.
    expect(image.bytes.length / (SERVERS * ROWS)).toBeLessThan(256);
    const reader = new ImageReader(image.bytes);
    const kinds = servers.map((_, i) => reader.roots(SLC_ENTRY.SERVERS + i).trees[4][2].kind);
    expect(kinds).not.toContain('classes');
    const random = new Random(1);
    for (let i = 0; i < 3000; i++) {
      const server = random.pick(servers);
      const key = drawKey(random, ruleset(server.rules));
      if (key.family === 6) continue;
      const packet = { ...key, destination: server.addresses[0].words };
      const expected = evaluateSection(server, packet);
      const entry = entryOfWord(image.ranks, interpret(image, packet).word);
      expect([entry?.section, entry?.rule?.id ?? null]).toEqual([server.name, expected.rule]);
    }
  });

  test('change after change of wide rows gives what a process that knows nothing makes', () => {
    const random = new Random(testSeed(0xde17a));
    const memory = new CompileMemory();
    let rows = [...drawWideRules(random, 80, { from: true, to: true, fromPort: true, icmp: false }).inbound.rules];
    for (let round = 0; round < 30; round++) {
      const [i, k] = [random.below(rows.length), random.below(rows.length)];
      const kind = random.pick(['swap', 'remove', 'copy', 'action', 'off'] as const);
      rows = [...rows];
      if (kind === 'swap') [rows[i], rows[k]] = [rows[k], rows[i]];
      if (kind === 'remove') rows.splice(i, 1);
      if (kind === 'copy') rows.splice(i, 0, { ...rows[k], id: `copy-${round}` });
      if (kind === 'action') rows[i] = { ...rows[i], action: rows[i].action === 'allow' ? 'deny' : 'allow' };
      if (kind === 'off') rows[i] = { ...rows[i], enabled: !rows[i].enabled };
      const shape = ruleset(rows);
      const warm = compile(shape, memory);
      expect(warm.digest).toBe(compile(shape).digest);
      expect(findDifference(random.fork(), shape, warm, 100)).toBeNull();
    }
  });

  test('a narrow rule more or less makes no tables anew', () => {
    const wide = drawWideRules(new Random(9), 200, { from: true, to: true, fromPort: false, icmp: false }).inbound
      .rules;
    const narrow = (count: number): Rule[] =>
      Array.from({ length: count }, (_, i) =>
        rule(1000 + i, 'allow', { to: [`198.51.${i >> 8}.${i & 255}`], port: [443], proto: [6] }),
      );
    const memory = new CompileMemory();
    const { trees } = memory[4];
    const real = trees.classes.bind(trees);
    let made = 0;
    trees.classes = (list, room, make) =>
      real(list, room, () => {
        made++;
        return make();
      });
    expect(kindOfWide(compile(ruleset([...wide, ...narrow(5000)]), memory), 4)).toBe('classes');
    expect(made).toBeGreaterThan(0);
    const before = made;
    for (const count of [5001, 5002, 4999]) compile(ruleset([...wide, ...narrow(count)]), memory);
    expect(made).toBe(before);
  });
});
