/** Reads the functions of a compiled BPF object: ELF64, little-endian, as clang writes it. */

/** `BPF_PSEUDO_*` of `src` in a call (include/uapi/linux/bpf.h). */
export const CALL_HELPER = 0;
export const CALL_FUNCTION = 1;

/** One slot of 8 bytes, struct bpf_insn; a 64-bit load takes two, the second with code 0. */
export interface Instruction {
  readonly code: number;
  readonly destination: number;
  readonly source: number;
  readonly offset: number;
  readonly immediate: number;
}

export interface BpfFunction {
  readonly name: string;
  readonly instructions: readonly Instruction[];
}

/** elf.h */
const SHF_EXECINSTR = 4;
const SHT_SYMTAB = 2;
const STT_FUNC = 2;
const SHN_UNDEF = 0;

/** One section header and what it describes. */
interface Section {
  readonly type: number;
  readonly flags: number;
  readonly bytes: Buffer;
  readonly link: number;
}

/** Functions of every executable section, in the order of their places; throws where the bytes are no BPF object. */
export function readFunctions(object: Uint8Array): BpfFunction[] {
  const file = Buffer.from(object);
  const EM_BPF = 247;
  if (file.readUInt32BE(0) !== 0x7f454c46 || file[4] !== 2 || file[5] !== 1 || file.readUInt16LE(18) !== EM_BPF)
    throw new Error('not an ELF64 object for little-endian BPF');
  const sections = readSections(file);
  return readSymbols(sections)
    .filter(({ kind, section }) => kind === STT_FUNC && (sections[section].flags & SHF_EXECINSTR) !== 0)
    .sort((a, b) => a.section - b.section || a.value - b.value)
    .map(({ name, section, value, size }) => ({
      name,
      instructions: decode(sections[section].bytes.subarray(value, value + size)),
    }));
}

/** Names that the kernel would have to supply: its own functions (kfuncs) and variables. */
export function readExternals(object: Uint8Array): string[] {
  return readSymbols(readSections(Buffer.from(object)))
    .filter(({ name, section }) => name !== '' && section === SHN_UNDEF)
    .map(({ name }) => name);
}

/** Instructions of bytes as they lie in the object. */
export function decode(bytes: Buffer): Instruction[] {
  return Array.from({ length: bytes.length / 8 }, (_, i) => ({
    code: bytes[8 * i],
    destination: bytes[8 * i + 1] & 15,
    source: bytes[8 * i + 1] >> 4,
    offset: bytes.readInt16LE(8 * i + 2),
    immediate: bytes.readInt32LE(8 * i + 4),
  }));
}

function readSections(file: Buffer): Section[] {
  const at = Number(file.readBigUInt64LE(40));
  const [entry, count] = [file.readUInt16LE(58), file.readUInt16LE(60)];
  return Array.from({ length: count }, (_, i) => {
    const header = file.subarray(at + entry * i, at + entry * (i + 1));
    const offset = Number(header.readBigUInt64LE(24));
    return {
      type: header.readUInt32LE(4),
      flags: Number(header.readBigUInt64LE(8)),
      bytes: file.subarray(offset, offset + Number(header.readBigUInt64LE(32))),
      link: header.readUInt32LE(40),
    };
  });
}

function readSymbols(
  sections: readonly Section[],
): { name: string; kind: number; section: number; value: number; size: number }[] {
  const table = sections.find(({ type }) => type === SHT_SYMTAB);
  if (!table) throw new Error('the object has no symbols');
  const names = sections[table.link].bytes;
  return Array.from({ length: table.bytes.length / 24 }, (_, i) => {
    const symbol = table.bytes.subarray(24 * i, 24 * (i + 1));
    const start = symbol.readUInt32LE(0);
    return {
      name: names.toString('utf8', start, names.indexOf(0, start)),
      kind: symbol[4] & 15,
      section: symbol.readUInt16LE(6),
      value: Number(symbol.readBigUInt64LE(8)),
      size: Number(symbol.readBigUInt64LE(16)),
    };
  });
}
