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
  /** Names of the functions it calls or hands to a helper as a callback. */
  readonly callees: readonly string[];
}

/** elf.h */
const SHF_EXECINSTR = 4;
const SHT_SYMTAB = 2;
const SHT_REL = 9;
const STT_FUNC = 2;
const STB_WEAK = 2;
const SHN_UNDEF = 0;

/** One section header and what it describes. */
interface Section {
  readonly type: number;
  readonly flags: number;
  readonly bytes: Buffer;
  readonly link: number;
  readonly info: number;
}

interface Symbol {
  readonly name: string;
  readonly kind: number;
  /** May be missing where the object is loaded. */
  readonly weak: boolean;
  readonly section: number;
  /** Whether it lies in a section of instructions. */
  readonly code: boolean;
  readonly value: number;
  readonly size: number;
}

/** Functions of every executable section, in the order of their places; throws where the bytes are no BPF object. */
export function readFunctions(object: Uint8Array): BpfFunction[] {
  const file = Buffer.from(object);
  const EM_BPF = 247;
  if (file.readUInt32BE(0) !== 0x7f454c46 || file[4] !== 2 || file[5] !== 1 || file.readUInt16LE(18) !== EM_BPF)
    throw new Error('not an ELF64 object for little-endian BPF');
  const sections = readSections(file);
  const symbols = readSymbols(sections);
  const functions = symbols
    .filter(({ kind, code }) => kind === STT_FUNC && code)
    .sort((a, b) => a.section - b.section || a.value - b.value);
  return functions.map(({ name, section, value, size }) => {
    const instructions = decode(sections[section].bytes.subarray(value, value + size));
    const relocated = readRelocations(sections, section);
    const callees = instructions.flatMap((instruction, i) => {
      const target = relocated.get(value + 8 * i);
      const place = calleePlace(instruction, { section, value: value + 8 * i }, symbols[target ?? -1]);
      const callee = place && functions.find((each) => each.section === place.section && each.value === place.value);
      if (place && !callee) throw new Error(`"${name}" calls something that is no function, at instruction ${i}`);
      return callee ? [callee.name] : [];
    });
    return { name, instructions, callees: [...new Set(callees)] };
  });
}

/** Where the function lies that an instruction calls or takes the address of; libbpf resolves them by the same sums. */
function calleePlace(
  { code, source, immediate }: Instruction,
  here: { section: number; value: number },
  target: Symbol | undefined,
): { section: number; value: number } | undefined {
  const [CALL, LOAD_64] = [0x85, 0x18];
  if (code === CALL && source === CALL_FUNCTION) {
    if (target?.section === SHN_UNDEF) return undefined; // of the kernel
    const base = target ?? here;
    return { section: base.section, value: base.value + 8 * (immediate + 1) };
  }
  // of data a load takes the address as well
  return code === LOAD_64 && target?.code ? { section: target.section, value: target.value + immediate } : undefined;
}

/** Index of the symbol by the byte in the section that is to be relocated. */
function readRelocations(sections: readonly Section[], section: number): Map<number, number> {
  const found = new Map<number, number>();
  for (const { bytes } of sections.filter(({ type, info }) => type === SHT_REL && info === section)) {
    for (let at = 0; at < bytes.length; at += 16)
      found.set(Number(bytes.readBigUInt64LE(at)), bytes.readUInt32LE(at + 12));
  }
  return found;
}

/** What the kernel supplies by name, its own functions (kfuncs) and variables: what must be there, and what may not be. */
export function readExternals(object: Uint8Array): { readonly needed: string[]; readonly used: string[] } {
  const externals = readSymbols(readSections(Buffer.from(object))).filter(
    ({ name, section }) => name !== '' && section === SHN_UNDEF,
  );
  const names = (weak: boolean): string[] => externals.filter((symbol) => symbol.weak === weak).map(({ name }) => name);
  return { needed: names(false), used: names(true) };
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
      info: header.readUInt32LE(44),
    };
  });
}

function readSymbols(sections: readonly Section[]): Symbol[] {
  const table = sections.find(({ type }) => type === SHT_SYMTAB);
  if (!table) throw new Error('the object has no symbols');
  const names = sections[table.link].bytes;
  return Array.from({ length: table.bytes.length / 24 }, (_, i) => {
    const symbol = table.bytes.subarray(24 * i, 24 * (i + 1));
    const start = symbol.readUInt32LE(0);
    const section = symbol.readUInt16LE(6);
    return {
      name: names.toString('utf8', start, names.indexOf(0, start)),
      kind: symbol[4] & 15,
      weak: symbol[4] >> 4 === STB_WEAK,
      section,
      // sections of reserved numbers (absolute, common) are none
      code: ((sections[section]?.flags ?? 0) & SHF_EXECINSTR) !== 0,
      value: Number(symbol.readBigUInt64LE(8)),
      size: Number(symbol.readBigUInt64LE(16)),
    };
  });
}
