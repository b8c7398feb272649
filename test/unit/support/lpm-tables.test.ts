import { evaluate } from '../../../src/model/evaluate';
import { CornerPackets, reachesRows } from '../../support/generate/corner-packets';
import { FrameBatch, type PacketFields } from '../../support/generate/frame-batch';
import { printFrame, printRuleset } from '../../support/generate/print';
import { Random, testSeed } from '../../support/generate/random';
import { generateRuleset } from '../../support/generate/ruleset';
import { PORT_PROTOCOLS } from '../../../src/model/protocol';
import { buildTables, type TrieEntries, VECTOR_BYTES, type WitnessTables } from '../../support/lpm-witness/tables';

/** The longest prefix of the trie that holds the address, as the kernel finds it. */
function lookUp({ keyBytes, count, keys, vectors }: TrieEntries, address: Uint32Array): Uint8Array {
  const view = new DataView(keys.buffer);
  let best = { length: -1, entry: -1 };
  for (let entry = 0; entry < count; entry++) {
    const length = view.getUint32(entry * keyBytes, true);
    let fits = length > best.length;
    for (let bit = 0; fits && bit < length; bit++) {
      const own = view.getUint32(entry * keyBytes + 4 + (bit >>> 5) * 4);
      fits = ((own ^ address[bit >>> 5]) & (0x80000000 >>> (bit & 31))) === 0;
    }
    if (fits) best = { length, entry };
  }
  return vectors.subarray(best.entry * VECTOR_BYTES, (best.entry + 1) * VECTOR_BYTES);
}

function firstRow(tables: WitnessTables, packet: PacketFields): string | null {
  const at = (table: Uint8Array, index: number): Uint8Array =>
    table.subarray(index * VECTOR_BYTES, (index + 1) * VECTOR_BYTES);
  const ports = PORT_PROTOCOLS.has(packet.protocol);
  const vectors = [
    lookUp(tables.source[packet.family], packet.source),
    lookUp(tables.destination[packet.family], packet.destination),
    at(tables.sourcePorts, ports ? packet.sourcePort : 0),
    at(tables.destinationPorts, ports ? packet.destinationPort : 0),
    at(tables.protocols, packet.protocol),
    at(tables.icmp, packet.isIcmp ? (packet.icmpType << 8) | packet.icmpCode : 65536),
  ];
  const row = tables.rows.findIndex((_, i) => vectors.every((vector) => (vector[i >>> 3] >>> (i & 7)) & 1));
  return row < 0 ? null : tables.rows[row];
}

it('the first bit that all vectors share is the first match', () => {
  const random = new Random(testSeed(31));
  const batch = new FrameBatch(1);
  for (let round = 0; round < 12; round++) {
    const ruleset = generateRuleset(random, { rules: random.between(1, 60) });
    const packets = new CornerPackets(random, ruleset);
    const tables = buildTables(ruleset);
    for (let i = 0; i < 300; i++) {
      const packet = packets.draw();
      if (!reachesRows(ruleset, packet)) continue;
      batch.clear();
      batch.addPacket(packet);
      const { tier, rule } = evaluate(ruleset, batch.frame(0));
      // The tables have rows, but no switch above them.
      if (tier === '5' || tier === '6') continue;
      const expected = tier === '8' ? 'ssh' : rule;
      const found = firstRow(tables, packet);
      if (found !== expected) {
        throw new Error(`${printRuleset(ruleset)}${printFrame(batch.frame(0))}: ${found} instead of ${expected}`);
      }
    }
  }
});

it('more rows than bits are refused', () => {
  expect(() => buildTables(generateRuleset(new Random(1), { rules: 513 }))).toThrow('the witness holds 512');
});
