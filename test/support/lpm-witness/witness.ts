import { join } from 'node:path';
import type { BpfMap, BpfObject, BpfProgram, Kernel, MappedRegion } from '../../../src/kernel/kernel';
import type { Ruleset } from '../../../src/model/ruleset';
import { compileBpf } from '../compile-c';
import { buildTables, type TrieEntries, WITNESS_ROWS } from './tables';

/** `enum answer_status` of lpm-witness.bpf.c. */
const STATUS = { JUDGED: 1, NOT_PLAIN: 2 } as const;
const ANSWER_BYTES = 8;

const TRIES = ['source4', 'destination4', 'source6', 'destination6'] as const;
const ARRAYS = ['source_port', 'dest_port', 'protocol', 'icmp'] as const;
type TrieName = (typeof TRIES)[number];
type ArrayName = (typeof ARRAYS)[number];

/** What the witness says of one frame: a row's id, null where none matches, or that it does not judge such frames. */
export type Answer = { readonly plain: true; readonly row: string | null } | { readonly plain: false };

/**
 * Third opinion of the differential tests: the kernel's own LPM tries, port maps and bit vectors. One loaded program
 * serves any number of rulesets, one after the other.
 */
export class LpmWitness {
  private rows: readonly string[] = [];
  private readonly installed = new Map<TrieName, TrieEntries>();

  private constructor(
    private readonly object: BpfObject,
    private readonly program: BpfProgram,
    private readonly tries: Readonly<Record<TrieName, BpfMap>>,
    private readonly arrays: Readonly<Record<ArrayName, MappedRegion>>,
    private readonly answer: MappedRegion,
  ) {}

  /** Compiles, loads and maps; close it after use. */
  static async load(kernel: Kernel): Promise<LpmWitness> {
    const object = kernel.openObject(compileBpf(join(__dirname, 'lpm-witness.bpf.c')), 'lpm_witness');
    await object.load();
    const region = (name: string): MappedRegion => {
      const map = object.map(name);
      const mapped = map.mmap({ writable: true });
      map.close();
      return mapped;
    };
    const all = <Name extends string, T>(names: readonly Name[], of: (name: Name) => T): Record<Name, T> =>
      Object.fromEntries(names.map((name) => [name, of(name)])) as Record<Name, T>;
    const tries = all(TRIES, (name) => object.map(name));
    return new LpmWitness(object, object.program('lpm_witness'), tries, all(ARRAYS, region), region('answer'));
  }

  /** Makes it judge by this ruleset, of at most 512 rows. */
  async install(ruleset: Ruleset): Promise<void> {
    const tables = buildTables(ruleset);
    this.rows = tables.rows;
    await this.fillTrie('source4', tables.source[4]);
    await this.fillTrie('destination4', tables.destination[4]);
    await this.fillTrie('source6', tables.source[6]);
    await this.fillTrie('destination6', tables.destination[6]);
    await this.arrays.source_port.write(0, tables.sourcePorts);
    await this.arrays.dest_port.write(0, tables.destinationPorts);
    await this.arrays.protocol.write(0, tables.protocols);
    await this.arrays.icmp.write(0, tables.icmp);
  }

  private async fillTrie(name: TrieName, entries: TrieEntries): Promise<void> {
    const trie = this.tries[name];
    const old = this.installed.get(name);
    for (let entry = 0; entry < (old?.count ?? 0); entry++) {
      trie.delete(old!.keys.subarray(entry * old!.keyBytes, (entry + 1) * old!.keyBytes));
    }
    await trie.updateBatch(entries.keys, entries.vectors, entries.count);
    this.installed.set(name, entries);
  }

  /** Judges frames that lie back to back. */
  async judge(frames: Uint8Array, lengths: Uint32Array): Promise<Answer[]> {
    const { records } = await this.program.testRunBatch({
      frames,
      lengths,
      results: this.answer,
      record: ANSWER_BYTES,
    });
    const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
    return Array.from(lengths, (_, i): Answer => {
      const status = view.getUint32(i * ANSWER_BYTES, true);
      const row = view.getUint32(i * ANSWER_BYTES + 4, true);
      if (status === STATUS.NOT_PLAIN) return { plain: false };
      if (status !== STATUS.JUDGED) throw new Error(`the witness found no vector for frame ${i}`);
      return { plain: true, row: row === WITNESS_ROWS ? null : this.rows[row] };
    });
  }

  close(): void {
    for (const region of [...Object.values(this.arrays), this.answer]) region.close();
    for (const trie of Object.values(this.tries)) trie.close();
    this.program.close();
    this.object.close();
  }
}
