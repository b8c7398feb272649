/** "Why not simply the kernel's own maps?": two LPM tries, port maps and bit vectors, as a filter. */
import { join } from 'node:path';
import { kernel } from '../../../src/kernel/native';
import type { BpfMap, BpfObject, BpfProgram, MappedRegion } from '../../../src/kernel/kernel';
import { compileBpf } from '../../support/compile-c';
import { buildTables, type TrieEntries, WITNESS_ROWS } from '../../support/lpm-witness/tables';
import type { Port } from '../measure/lab';
import { type BenchSet, idOfRow, rowCount, rulesetOf } from '../sets/bench-set';
import { NO_ROW } from '../sets/scan';
import type { Trace } from '../sets/trace';
import type { Peer, PeerMaker } from './peer';

const SOURCE = join(__dirname, '../bpf/lpm-witness-drop.bpf.c');
const WITNESS = join(__dirname, '../../support/lpm-witness/lpm-witness.bpf.c');
/** `struct answer`: status, row. */
const ANSWER_BYTES = 8;
const JUDGED = 1;
const MACS = { from: '02:00:00:00:00:01', to: '02:00:00:00:00:02' };

class WitnessPeer implements Peer {
  readonly name = 'kernel-lpm';
  private installed: { trie: BpfMap; entries: TrieEntries }[] = [];
  private ids: readonly string[] = [];

  constructor(
    private readonly object: BpfObject,
    private readonly program: BpfProgram,
    readonly port: Port,
  ) {}

  refuses(set: BenchSet): string | null {
    if (set.list || rowCount(set) > WITNESS_ROWS) return `bit vectors of ${WITNESS_ROWS} rows`;
    return null;
  }

  async install(set: BenchSet): Promise<number> {
    const began = performance.now();
    const tables = buildTables(rulesetOf(set, 'deny'));
    this.ids = tables.rows;
    for (const { trie, entries } of this.installed.splice(0)) {
      for (let i = 0; i < entries.count; i++) {
        trie.delete(entries.keys.subarray(i * entries.keyBytes, (i + 1) * entries.keyBytes));
      }
      trie.close();
    }
    for (const [name, entries] of [
      ['source4', tables.source[4]],
      ['destination4', tables.destination[4]],
      ['source6', tables.source[6]],
      ['destination6', tables.destination[6]],
    ] as const) {
      const trie = this.object.map(name);
      await trie.updateBatch(entries.keys, entries.vectors, entries.count);
      this.installed.push({ trie, entries });
    }
    for (const [name, bytes] of [
      ['source_port', tables.sourcePorts],
      ['dest_port', tables.destinationPorts],
      ['protocol', tables.protocols],
      ['icmp', tables.icmp],
    ] as const) {
      const region = this.region(name, true);
      await region.write(0, bytes);
      region.close();
    }
    return performance.now() - began;
  }

  async check(set: BenchSet, { packets, rows }: Trace): Promise<{ checked: number; wrong: number }> {
    const frames = new Uint8Array(packets.count * packets.frameBytes);
    for (let i = 0; i < packets.count; i++) packets.writeFrame(frames, i * packets.frameBytes, i, MACS);
    const lengths = new Uint32Array(packets.count).fill(packets.frameBytes);
    const results = this.region('answer', false);
    const { records } = await this.program.testRunBatch({ frames, lengths, results, record: ANSWER_BYTES });
    results.close();
    const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
    let wrong = 0;
    for (let i = 0; i < packets.count; i++) {
      const status = view.getUint32(i * ANSWER_BYTES, true);
      const row = view.getUint32(i * ANSWER_BYTES + 4, true);
      const expected = rows[i] === NO_ROW ? undefined : idOfRow(set, rows[i]);
      if (status !== JUDGED || this.ids.at(row === WITNESS_ROWS ? this.ids.length : row) !== expected) wrong++;
    }
    return { checked: packets.count, wrong };
  }

  private region(name: string, writable: boolean): MappedRegion {
    const map = this.object.map(name);
    const region = map.mmap({ writable });
    map.close();
    return region;
  }
}

export const makeWitness: PeerMaker = async ({ lab }) => {
  const object = kernel().openObject(compileBpf(SOURCE, [WITNESS]), 'lpm_witness');
  await object.load();
  const program = object.program('lpm_witness');
  const port = lab.port('kernel-lpm', lab.namespace('bench-lpm'));
  await lab.attach(port, program);
  return new WitnessPeer(object, program, port);
};
