import { LAYOUT, SLC_ENTRY, SLC_IMAGE_MAGIC, SLC_LIMITS, SLC_WORD_NONE } from '../../../src/abi/layout.gen';
import { compile } from '../../../src/compile/compile';
import { interpret, interpretFrame } from '../../../src/compile/interpret';
import { ImageReader } from '../../../src/compile/reader';
import type { Slot } from '../../../src/compile/slot';
import type { Limit } from '../../../src/model/limit';
import type { FlowKey } from '../../../src/model/packet';
import type { Server } from '../../../src/model/ruleset';
import { rule, rules, ruleset } from '../../support/findings';
import { compose, ipv4, tcp } from '../../support/packet';

const ssh = { ports: [22], from: 'anyone', source: rule(9, 'allow').source } as const;
const key: FlowKey = {
  family: 4,
  source: [0x4ea80102],
  destination: [0xc6336407],
  protocol: 6,
  sourcePort: 40000,
  destinationPort: 14141,
};

test('the header says from which port to which rows of the guard can match', () => {
  const [kept, other] = rules(['allow', { port: [8000, 8080] }], ['allow', { port: [22] }]);
  const { bytes } = compile({
    ...ruleset([]),
    guard: { keepReachable: [kept, other], rules: [{ ...kept, id: 'g', action: 'deny', direction: 'out' }] },
  });
  const reader = new ImageReader(bytes);
  expect(reader.portsOf(SLC_ENTRY.KEEP_REACHABLE)).toEqual({ first: 22, last: 8080 });
  expect(reader.portsOf(SLC_ENTRY.GUARD_OUT)).toEqual({ first: 8000, last: 8080 });
  expect(reader.portsOf(SLC_ENTRY.GUARD_IN)).toEqual({ first: 0, last: 0xffff });
  expect(reader.portsOf(SLC_ENTRY.INBOUND)).toBeNull();
});

describe('ranks', () => {
  test('rows, SSH row and default ascend; disabled rows keep theirs', () => {
    const list = rules(['allow', { port: [1], enabled: false }], ['deny', { port: [2] }]);
    const { ranks, counterSlots } = compile(ruleset(list, { inbound: { ssh } }));
    expect(ranks.map(({ rank, id, tier }) => [rank, id, tier])).toEqual([
      [256, 'r1', '7'],
      [257, 'r2', '7'],
      [258, 'ssh', '8'],
      [259, 'default', '9'],
      [261, 'default', 'out 7'],
    ]);
    expect(counterSlots).toBe(512);
  });

  test('an SSH row that only follows the rows has no rank, and the default keeps its place', () => {
    const { ranks } = compile(ruleset(rules(['deny']), { inbound: { ssh: { ...ssh, from: 'rules' } } }));
    expect(ranks.map(({ rank, id }) => [rank, id])).toEqual([
      [256, 'r1'],
      [258, 'default'],
      [260, 'default'],
    ]);
  });

  test('every section has its own, one behind the other; the section names them', () => {
    const [row] = rules(['deny']);
    const { ranks, sections, features } = compile({
      ...ruleset([row]),
      outbound: { name: 'outbound', default: 'deny', rules: [row, { ...row, id: 'r2' }] },
      guard: {
        keepReachable: [{ ...row, id: 'k', action: 'allow' }],
        rules: [
          { ...row, id: 'g1', direction: 'out' },
          { ...row, id: 'g2', direction: 'in' },
        ],
      },
    });
    expect(ranks.map(({ rank, section, id, tier }) => [rank, `${section}/${id}`, tier])).toEqual([
      [256, 'inbound/r1', '7'],
      [258, 'inbound/default', '9'],
      [259, 'outbound/r1', 'out 6'],
      [260, 'outbound/r2', 'out 6'],
      [262, 'outbound/default', 'out 7'],
      [263, 'guard/k', '3.1'],
      [264, 'guard/g2', '3.3'],
      [265, 'guard/g1', 'out 3'],
    ]);
    expect(sections).toEqual(['inbound', 'outbound', ...new Array<string>(6).fill('guard'), 'inbound']);
    expect(features.sections).toEqual(new Array(8).fill(true));
    expect(compile(ruleset([row])).features.sections).toEqual([true, ...new Array<boolean>(7).fill(false)]);
  });
});

describe('bytes', () => {
  const list = rules(['allow', { from: ['78.168.0.0/16'], port: [14141] }], ['deny', { port: [14141] }]);

  test('header, section table and root block', () => {
    const { bytes } = compile(ruleset(list));
    const view = new DataView(bytes.buffer);
    const header = LAYOUT.slc_image_header.fields;
    expect(view.getUint32(header.magic.offset, true)).toBe(SLC_IMAGE_MAGIC);
    expect(view.getUint32(header.sections.offset, true)).toBe(SLC_LIMITS.SECTIONS_SLOT);
    expect(view.getUint32(header.section_count.offset, true)).toBe(SLC_ENTRY.SERVERS);
    expect(view.getUint32(header.counter_slots.offset, true)).toBe(262);
    expect(bytes.length % 4096).toBe(0);
    const section = SLC_LIMITS.SECTIONS_SLOT * 8;
    const root = view.getUint32(section + LAYOUT.slc_section.fields.root.offset, true);
    expect(root % 8).toBe(0);
    expect(view.getUint32(section + LAYOUT.slc_section.fields.previous_root.offset, true)).toBe(root);
    const services = root + view.getUint32(root * 8 + LAYOUT.slc_roots.fields.services.offset, true);
    expect(services).toBe(root + LAYOUT.slc_roots.size / 8);
    // 14141-14141, any source port, lanes 6-7 with the guards in the upper bound.
    expect(view.getBigUint64(services * 8, true)).toBe(14141n | (6n << 34n));
    expect(view.getBigUint64(services * 8 + 8, true)).toBe(
      14141n | (1n << 16n) | (0xffffn << 17n) | (1n << 33n) | (7n << 34n) | (1n << 42n),
    );
  });

  describe('what is read at once of small servers', () => {
    const many = Array.from({ length: 4000 }, (_, i) => ({ port: [1 + i], from: [`10.0.${i % 250}.0/24`] }));
    const server = (i: number, matches: typeof many): Server => ({
      ...{ name: `s${i}`, default: 'deny', source: ssh.source },
      addresses: [{ family: 4, words: [0xc6336401 + i], length: 32 }],
      rules: rules(...matches.map((match): ['allow', typeof match] => ['allow', match])),
    });
    const { size, fields } = LAYOUT.slc_section;
    const field = ({ bytes }: { bytes: Uint8Array }, entry: number, { offset }: { offset: number }): number =>
      new DataView(bytes.buffer).getUint32(SLC_LIMITS.SECTIONS_SLOT * 8 + entry * size + offset, true);
    const byte = ({ bytes }: { bytes: Uint8Array }, entry: number, { offset }: { offset: number }): number =>
      bytes[SLC_LIMITS.SECTIONS_SLOT * 8 + entry * size + offset];
    const near = (image: { bytes: Uint8Array }, entry: number): number[] => [
      byte(image, entry, fields.near_lines),
      byte(image, entry, fields.near_counters),
    ];

    /** How many leaves below the root node are among the lines that a packet of theirs reads in advance, of all. */
    const readInTime = (image: { bytes: Uint8Array }, entry: number): number => {
      const reader = new ImageReader(image.bytes);
      const roots = reader.roots(entry);
      const root = roots.trees[4].find(({ kind }) => kind === 'node') as Slot & { kind: 'node' };
      const at = fields.near4.offset;
      const [first, step] = [0, 2].map(
        (more) => byte(image, entry, { offset: at + more }) + 256 * byte(image, entry, { offset: at + more + 1 }),
      );
      const leaves = Array.from({ length: root.mask + 1 }, (_, child) => ({
        child,
        slot: reader.slot(root.child + child, roots),
      }));
      const inTime = leaves.flatMap(({ child, slot }) => {
        if (slot.kind !== 'leaf') return [];
        const from = first + ((child * step) >> SLC_LIMITS.NEAR_SHIFT);
        const [begin, end] = [slot.first, slot.first + slot.count * 2 - 1].map((slots) =>
          Math.floor((slots - roots.base) / 8),
        );
        return [begin >= from && end < from + SLC_LIMITS.NEAR_LINES4];
      });
      return inTime.filter(Boolean).length / inTime.length;
    };

    test('where most leaves of their tree are, and all counters, where they are too many for a cache', () => {
      const small = Array.from({ length: 800 }, (_, i) => server(i, many.slice(i, i + 40)));
      const image = compile(ruleset(list, { servers: [...small, server(800, many)] }));
      for (let entry = 0; entry < SLC_ENTRY.SERVERS; entry++) expect(near(image, entry)).toEqual([0, 0]);
      const inTime: number[] = [];
      // A line holds eight slots of the block, or eight counters; 40 rows and what goes with them take 48 ranks.
      for (let entry = SLC_ENTRY.SERVERS; entry < SLC_ENTRY.SERVERS + 799; entry++) {
        const lines = (field(image, entry + 1, fields.root) - field(image, entry, fields.root)) / 8 - 1;
        expect(lines).toBeGreaterThan(8);
        expect(near(image, entry)).toEqual([lines, 6]);
        inTime.push(readInTime(image, entry));
      }
      expect(inTime.reduce((sum, share) => sum + share) / inTime.length).toBeGreaterThan(0.9);
      expect(near(image, SLC_ENTRY.SERVERS + 800)).toEqual([0, 0]);
      expect(image.counterSlots).toBeGreaterThan(4000);
    });

    test('nothing of few', () => {
      const image = compile(ruleset(list, { servers: [server(0, many.slice(0, 40)), server(1, many.slice(1, 41))] }));
      expect(near(image, SLC_ENTRY.SERVERS)).toEqual([0, 0]);
      expect(near(image, SLC_ENTRY.SERVERS + 1)).toEqual([0, 0]);
    });
  });

  test('same ruleset, same bytes; the order of list items and sets does not matter', () => {
    const set = (name: string): { name: string; addresses: 'any'; source: typeof ssh.source } => ({
      name,
      addresses: 'any',
      source: ssh.source,
    });
    const once = compile(
      ruleset(rules(['allow', { from: ['10.0.0.1', '10.0.0.9'], port: [80, 90] }]), { sets: [set('a'), set('b')] }),
    );
    const again = compile(
      ruleset(rules(['allow', { from: ['10.0.0.9', '10.0.0.1'], port: [90, 80] }]), { sets: [set('b'), set('a')] }),
    );
    expect(Buffer.compare(once.bytes, again.bytes)).toBe(0);
    expect(again.digest).toBe(once.digest);
  });

  test('another id, action or switch is another digest; a note is not', () => {
    const [first] = list;
    const digest = compile(ruleset([first])).digest;
    expect(compile(ruleset([{ ...first, id: 'web' }])).digest).not.toBe(digest);
    expect(compile(ruleset([{ ...first, action: 'deny' }])).digest).not.toBe(digest);
    expect(compile(ruleset([first], { icmp: 'rules' })).digest).not.toBe(digest);
    expect(compile(ruleset([first], { echo: { inAll: 1000, perSource: 11 } })).digest).not.toBe(digest);
    expect(compile(ruleset([{ ...first, note: 'web UI' }])).digest).toBe(digest);
  });

  test.each(['inbound', 'a server'])('another limit is another digest, in %s', (where) => {
    const [first] = list;
    const limit = { count: 6, windowMs: 30_000, verdict: 'deny', prefix: { 4: 32, 6: 64 } } as const;
    const server = { name: 'a', addresses: [{ family: 4, words: [0xc6336407], length: 32 }], default: 'deny' } as const;
    const digestOf = (changed: Partial<Limit>): string => {
      const row = { ...first, action: 'limit', limit: { ...limit, ...changed } } as const;
      const servers = [{ ...server, rules: [row], source: first.source }];
      return compile(where === 'inbound' ? ruleset([row]) : { ...ruleset([]), servers }).digest;
    };
    const changes: readonly Partial<Limit>[] = [
      ...[{}, { count: 7 }, { windowMs: 60_000 }, { verdict: 'reject' as const }],
      ...[{ prefix: { 4: 24, 6: 64 } }, { prefix: { 4: 32, 6: 48 } }],
    ];
    const digests = changes.map(digestOf);
    expect(new Set(digests).size).toBe(digests.length);
    expect(digestOf({ ...limit })).toBe(digests[0]);
  });
});

describe('interpret', () => {
  const list = rules(['allow', { from: ['78.168.0.0/16'], port: [14141] }], ['deny', { port: [14141] }]);

  test('the first row that matches, with what it cost', () => {
    expect(interpret(compile(ruleset(list)), key)).toEqual({
      word: (256 << 8) | (9 << 4),
      nodes: 0,
      leaves: 1,
      rules: 1,
    });
  });

  test('a tree whose smallest word cannot win is not walked', () => {
    const narrow = Array.from({ length: 40 }, (_, i) => rule(i + 1, 'deny', { to: [`198.51.${90 + i}.0/24`] }));
    const wide = Array.from({ length: 40 }, (_, i) =>
      rule(i + 41, 'allow', { port: [[14_000 + 10 * i, 14_009 + 10 * i]] }),
    );
    const [behind, before] = [compile(ruleset([...narrow, ...wide])), compile(ruleset([...wide, ...narrow]))];
    const rowOf = ({ ranks }: typeof behind, word: number): string | undefined =>
      ranks.find(({ rank }) => rank === word >>> 8)?.id;
    const [first, second] = [interpret(behind, key), interpret(before, key)];
    expect([rowOf(behind, first.word), rowOf(before, second.word)]).toEqual(['r11', 'r55']);
    const { least } = new ImageReader(behind.bytes).roots(SLC_ENTRY.INBOUND);
    expect(least[0]).toBe(SLC_WORD_NONE);
    expect(rowOf(behind, least[1])).toBe('r41');
    expect(first.nodes).toBeLessThan(second.nodes);
  });

  test('frames get the decision of the model', () => {
    const image = compile(ruleset(list, { inbound: { ssh } }));
    const decide = (from: string, to: number): object => interpretFrame(image, compose(ipv4({ from }), tcp({ to })));
    expect(decide('78.168.1.2', 14141)).toMatchObject({ verdict: 'allow', tier: '7', rule: 'r1' });
    expect(decide('198.51.100.9', 14141)).toMatchObject({ verdict: 'deny', tier: '7', rule: 'r2' });
    expect(decide('198.51.100.9', 22)).toMatchObject({ verdict: 'allow', tier: '8', reason: 'ssh', rule: null });
    expect(decide('198.51.100.9', 23)).toMatchObject({ verdict: 'deny', tier: '9', reason: 'default' });
    expect(interpretFrame(image, new Uint8Array(3))).toMatchObject({ tier: '1', reason: 'too-short' });
  });

  test('no byte, turned into anything, leads outside or ends in an exception', () => {
    const many = Array.from({ length: 80 }, (_, i) => rule(i + 1, 'deny', { from: [`78.${i}.0.0/16`], port: [i + 1] }));
    const image = compile(ruleset(many));
    let faults = 0;
    for (let at = 0; at < image.bytes.length; at++) {
      for (const value of [0x00, 0x3f, 0xff]) {
        const bytes = image.bytes.slice();
        bytes[at] = value;
        const result = interpret(bytes, key);
        expect(result.nodes).toBeLessThanOrEqual(SLC_LIMITS.TREES * SLC_LIMITS.MAX_STEPS);
        if (result.fault === undefined) continue;
        expect(result.word).toBe(SLC_WORD_NONE);
        faults++;
      }
    }
    expect(faults).toBeGreaterThan(0);
    expect(interpret(image.bytes.subarray(0, 40), key).fault).toMatch(/ends inside its header/);
  });

  test('a broken image drops', () => {
    const image = compile(ruleset(list));
    const broken = { ...image, bytes: new Uint8Array(4096) };
    expect(interpretFrame(broken, compose(ipv4(), tcp()))).toMatchObject({ verdict: 'deny', reason: 'image-fault' });
  });
});
