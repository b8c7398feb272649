/** Servers: scan = image, no server's rows touch packets of another, and the sweep finds every overlap. */
import * as fc from 'fast-check';
import { LAYOUT, SLC_ENTRY, SLC_LIMITS } from '../../src/abi/layout.gen';
import { compile } from '../../src/compile/compile';
import { CompileMemory } from '../../src/compile/compile-memory';
import type { Image } from '../../src/compile/image';
import { interpret, interpretFrame, interpretOutgoing } from '../../src/compile/interpret';
import { entryOfWord } from '../../src/compile/ranks';
import { decode } from '../../src/model/decode';
import { evaluate, evaluatePacket } from '../../src/model/evaluate';
import { matches } from '../../src/model/match-packet';
import { evaluateOutgoing } from '../../src/model/outbound';
import type { FlowKey } from '../../src/model/packet';
import type { Ruleset } from '../../src/model/ruleset';
import { narrowingTo, ownerOf, owns, remainderIn, territoryOf } from '../../src/model/server';
import { findOverlaps } from '../../src/parse/server-overlap';
import { anyKey, anyMatch } from '../support/any-match';
import { CornerPackets, turnRound } from '../support/generate/corner-packets';
import { FrameBatch } from '../support/generate/frame-batch';
import { printFrame } from '../support/generate/print';
import { Random, testSeed } from '../support/generate/random';
import { generateSections } from '../support/generate/sections';
import { redrawServer, withServers } from '../support/generate/servers';

const FRAMES = 300;
const ROUNDS = 60;

function draw(random: Random): { ruleset: Ruleset; rows: Ruleset; packets: CornerPackets } {
  const { ruleset, rows } = generateSections(random, random.between(1, 40));
  const drawn = withServers(random, ruleset, rows);
  return { ...drawn, packets: new CornerPackets(random, drawn.rows) };
}

test('scan = image, in both directions', () => {
  const seed = testSeed(5101);
  const random = new Random(seed);
  const batch = new FrameBatch(FRAMES);
  let ofServers = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const { ruleset, packets } = draw(random.fork());
    const image = compile(ruleset);
    batch.clear();
    for (let i = 0; i < FRAMES; i++) {
      const packet = packets.draw();
      if (random.chance(0.3) && packet.quote === null) turnRound(packet);
      batch.addPacket(packet);
    }
    for (let i = 0; i < batch.count; i++) {
      const frame = batch.frame(i);
      const where = { seed, round, frame: printFrame(frame) };
      const decision = evaluate(ruleset, frame);
      expect({ ...where, ...interpretFrame(image, frame) }).toEqual({ ...where, ...decision });
      expect({ ...where, ...interpretOutgoing(image, frame) }).toEqual({
        ...where,
        ...evaluateOutgoing(ruleset, frame),
      });
      if (decision.section.startsWith('s')) ofServers++;
    }
  }
  expect(ofServers).toBeGreaterThan((ROUNDS * FRAMES) / 20);
});

/** What decides a key in the image, and where that is counted. */
function countedAt(image: Image, key: FlowKey): string {
  const { word, fault } = interpret(image, key);
  const entry = entryOfWord(image.ranks, word);
  return fault ?? `${entry?.section}/${entry?.id} ${entry?.tier} ${entry?.action}`;
}

test('whatever is written for one server, packets of all others keep verdict, deciding row and counter', () => {
  const seed = testSeed(5102);
  const random = new Random(seed);
  let compared = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const { ruleset, rows, packets } = draw(random.fork());
    const { servers = [] } = ruleset;
    if (servers.length === 0) continue;
    const changed = random.pick(servers);
    const other = {
      ...ruleset,
      servers: servers.map((server) =>
        server === changed ? redrawServer(random, server, rows.inbound.rules) : server,
      ),
    };
    const [before, after] = [compile(ruleset), compile(other)];
    const batch = new FrameBatch(FRAMES);
    for (let i = 0; i < FRAMES; i++) batch.addPacket(packets.draw());
    for (let i = 0; i < batch.count; i++) {
      const decoded = decode(batch.frame(i));
      if (decoded.kind !== 'ip' || decoded.packet.quote || owns(changed, decoded.packet)) continue;
      const { packet } = decoded;
      compared++;
      expect({ seed, round, ...evaluatePacket(other, packet) }).toEqual({
        seed,
        round,
        ...evaluatePacket(ruleset, packet),
      });
      expect(countedAt(after, packet)).toBe(countedAt(before, packet));
    }
  }
  expect(compared).toBeGreaterThan(1000);
});

/** The block of each section: bytes from its root to the next one's. */
function blocksOf({ bytes, sections }: Image): Map<string, Buffer> {
  const view = new DataView(bytes.buffer);
  const { size, fields } = LAYOUT.slc_section;
  const at = (i: number): number =>
    8 * view.getUint32(8 * SLC_LIMITS.SECTIONS_SLOT + i * size + fields.root.offset, true);
  const ends = [...new Set([...sections.map((_, i) => at(i)), bytes.length])].sort((a, b) => a - b);
  return new Map(
    sections.map((name, i) => {
      const end = ends[ends.indexOf(at(i)) + 1];
      return [`${i < SLC_ENTRY.SERVERS ? i : 'server'} ${name}`, Buffer.from(bytes.subarray(at(i), end))];
    }),
  );
}

test('a change to one server leaves the blocks of all other sections as they are, byte for byte', () => {
  const random = new Random(testSeed(5105));
  let compared = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const { ruleset, rows } = draw(random.fork());
    const { servers = [] } = ruleset;
    if (servers.length < 2) continue;
    const changed = random.pick(servers);
    const memory = new CompileMemory();
    const before = blocksOf(compile(ruleset, memory));
    const other = {
      ...ruleset,
      servers: servers.map((server) =>
        server === changed ? redrawServer(random, server, rows.inbound.rules) : server,
      ),
    };
    const image = compile(other, memory);
    expect(image.digest).toBe(compile(other).digest);
    expect(Buffer.compare(image.bytes, compile(other).bytes)).toBe(0);
    for (const [name, block] of blocksOf(image)) {
      if (name === `server ${changed.name}`) continue;
      const same = before.get(name)!;
      // Behind the last block the image is filled up.
      const length = Math.min(block.length, same.length);
      compared++;
      expect({ round, name, same: block.subarray(0, length).equals(same.subarray(0, length)) }).toEqual({
        ...{ round, name, same: true },
      });
      expect(block.subarray(length).every((byte) => byte === 0)).toBe(true);
    }
  }
  expect(compared).toBeGreaterThan(200);
});

test('a narrowed match is the match among the packets of the server, and nothing else', () => {
  fc.assert(
    fc.property(anyMatch, anyMatch, fc.array(anyKey, { minLength: 20, maxLength: 30 }), (match, place, keys) => {
      fc.pre(place.to !== 'any' && place.to.length > 0);
      const server = {
        addresses: place.to,
        ...(place.toPorts !== 'any' && { ports: place.toPorts }),
      };
      const narrowed = narrowingTo(server)(match);
      for (const key of keys) {
        const expected = matches(match, key) && owns(server, key);
        expect(narrowed !== null && matches(narrowed, key)).toBe(expected);
        expect(matches(territoryOf(server), key)).toBe(owns(server, key));
        // Among its packets what is left of the match says the same, and looks at no more.
        const left = remainderIn(server)(match);
        if (owns(server, key)) expect(left !== null && matches(left, key)).toBe(matches(match, key));
      }
    }),
    { numRuns: 300 },
  );
});

test('the sweep finds an overlap exactly where two servers own a packet', () => {
  const random = new Random(testSeed(5103));
  for (let round = 0; round < 400; round++) {
    const { rows } = generateSections(random, 12);
    const all = Array.from({ length: 3 }, () => withServers(random, rows, rows).ruleset.servers ?? []).flat();
    const servers = random.shuffle(all);
    const meets = (a: number, b: number): boolean =>
      servers[a].addresses.some((one) =>
        servers[b].addresses.some(
          (other) =>
            one.family === other.family &&
            (matches(territoryOf({ addresses: [one] }), keyAt(other)) ||
              matches(territoryOf({ addresses: [other] }), keyAt(one))),
        ),
      ) &&
      (servers[a].ports ?? [{ first: 0, last: 65535 }]).some((one) =>
        (servers[b].ports ?? [{ first: 0, last: 65535 }]).some(
          (other) => one.first <= other.last && other.first <= one.last,
        ),
      );
    const found = findOverlaps(servers).filter(({ one, other }) => one !== other);
    for (const { one, other } of found) expect(meets(one, other)).toBe(true);
    const some = servers.some((_, a) => servers.some((__, b) => a < b && meets(a, b)));
    expect(found.length > 0).toBe(some);
  }
});

function keyAt({ family, words }: { family: 4 | 6; words: readonly number[] }): FlowKey {
  return { family, source: words, destination: words, protocol: 6, sourcePort: 1, destinationPort: 1 };
}

test('a packet is judged by one section: its server, else inbound', () => {
  const random = new Random(testSeed(5104));
  for (let round = 0; round < 50; round++) {
    const { ruleset, packets } = draw(random.fork());
    const batch = new FrameBatch(50);
    for (let i = 0; i < 50; i++) batch.addPacket(packets.draw());
    for (let i = 0; i < batch.count; i++) {
      const decoded = decode(batch.frame(i));
      if (decoded.kind !== 'ip') continue;
      const owners = (ruleset.servers ?? []).filter((server) => owns(server, decoded.packet));
      expect(owners.length).toBeLessThanOrEqual(1);
      expect(ownerOf(ruleset, decoded.packet)).toBe(owners.at(0) ?? ruleset.inbound);
      const { tier, section } = evaluatePacket(ruleset, decoded.packet);
      if (['6', '7', '8', '9'].includes(tier)) expect(section).toBe(owners.at(0)?.name ?? 'inbound');
    }
  }
});
