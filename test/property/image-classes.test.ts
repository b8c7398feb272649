/** Wide rules as class tables: what tables and bytes say is what the scan says, whichever fields tell rules apart. */
import { SLC_ENTRY } from '../../src/abi/layout.gen';
import { placeOf } from '../../src/compile/class-tables';
import { classTables, roomFor } from '../../src/compile/classes';
import { compile } from '../../src/compile/compile';
import { expandRows, rowsOf, type RuleTable } from '../../src/compile/expand';
import type { Image } from '../../src/compile/image';
import { assignRanks } from '../../src/compile/ranks';
import { ImageReader } from '../../src/compile/reader';
import { RowMemory } from '../../src/compile/row-memory';
import { imageSections } from '../../src/compile/sections';
import type { Family } from '../../src/model/prefix';
import type { Ruleset } from '../../src/model/ruleset';
import { rule, type RuleText, ruleset } from '../support/findings';
import { Random, testSeed } from '../support/generate/random';
import { findDifference } from '../support/image-scan';

const ROOM = roomFor(1);

/** Which fields the rules of a shape look at. */
interface Shape {
  readonly from: boolean;
  readonly to: boolean;
  readonly fromPort: boolean;
  readonly icmp: boolean;
}

function drawRules(random: Random, count: number, shape: Shape): Ruleset {
  const network = (): string => {
    const bits = random.between(1, 15);
    if (random.chance(0.5)) return `${random.between(0, 3) * 64}.${random.between(0, 3) * 64}.0.0/${bits}`;
    return `${random.pick(['2001', '2001', 'fd00', '8000'])}:${random.pick(['db8', 'dc0', '0', 'ffff'])}::/${16 + bits}`;
  };
  const ports = (): RuleText['port'] => {
    const first = random.pick([1, 22, 255, 256, 1024, 32768, 65535]);
    return [random.chance(0.3) ? first : [first, random.between(first, 65535)]];
  };
  return ruleset(
    Array.from({ length: count }, (_, i) => {
      const family = random.chance(0.5) ? undefined : random.pick([4, 6] as const);
      const own = (text: string): string[] =>
        family === undefined || (family === 6) === text.includes(':') ? [text] : [];
      const from = shape.from && random.chance(0.7) ? own(network()) : [];
      const to = shape.to && random.chance(0.7) ? own(network()) : [];
      const icmp = shape.icmp && random.chance(0.3);
      const text: RuleText = {
        ...(family !== undefined && { family }),
        ...(from.length > 0 && { from }),
        ...(to.length > 0 && { to }),
        ...(icmp
          ? { icmp: [{ type: random.between(0, 255), code: random.pick([undefined, 0, 255]) }], proto: [1, 58] }
          : { port: ports(), proto: random.pick([[6], [17], [6, 17], [132]]) }),
        ...(!icmp && shape.fromPort && random.chance(0.4) && { fromPort: ports() }),
      };
      return rule(i + 1, random.pick(['allow', 'deny', 'reject'] as const), text);
    }),
  );
}

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
      const rules = drawRules(random, random.between(30, 120), shape);
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
      const shape = drawRules(random, random.between(1, 40), { from: true, to: true, fromPort: true, icmp: true });
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

describe('no tables', () => {
  const refused = (shape: Ruleset, room = ROOM): void => {
    const rules = tableOf(shape, 4);
    expect(classTables(rules, rules.order, room)).toBeNull();
  };
  const many = (count: number, text: (i: number) => RuleText): Ruleset =>
    ruleset(Array.from({ length: count }, (_, i) => rule(i + 1, i % 2 === 0 ? 'allow' : 'deny', text(i))));
  const network = (i: number, bits: number): string => `${i >> 2}.${(i & 3) * 64}.0.0/${bits}`;

  test('for prefixes that are longer than what they look at', () => {
    refused(many(20, (i) => ({ family: 4, from: [`10.0.${i}.0/24`] })));
  });

  test('for more rules than tables are tried for', () => {
    refused(many(4097, (i) => ({ family: 4, port: [1 + i], proto: [6] })));
  });

  test('for more pairs of networks than there is room for', () => {
    const shape = many(600, (i) => ({ family: 4, from: [network(i, 10)], to: [network(599 - i, 10)], port: [80] }));
    refused(shape);
    const rules = tableOf(shape, 4);
    expect(classTables(rules, rules.order, 1 << 20)).not.toBeNull();
  });

  test('for more combinations of ports and protocols than numbers', () => {
    const ports = (i: number): RuleText => ({ family: 4, port: [[1 + 5 * i, 30_000 + 5 * i]], proto: [6] });
    const protocol = (i: number): RuleText => ({ family: 4, proto: [100 + 2 * i] });
    refused(
      many(4000, (i) => (i < 3970 ? ports(i) : protocol(i - 3970))),
      1 << 30,
    );
  });

  test('for more cells than there is room for', () => {
    const crossing = many(300, (i) => ({
      family: 4,
      ...{ from: [network(i, 10)], port: [[1 + 100 * i, 30_000 + 100 * i]], proto: [6] },
    }));
    refused(crossing, 1 << 12);
  });
});
