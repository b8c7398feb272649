#!/usr/bin/env node
'use strict';
/*
 * bpf/sluice_abi.h → src/abi/layout.gen.ts: struct layouts and enums from BTF, constants from the preprocessor,
 * offsets of the read-only switches from the compiled object. `gen-abi.js FILE` writes elsewhere (check-generated).
 */
const { execFileSync } = require('node:child_process');
const { createHash } = require('node:crypto');
const { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');

const root = join(__dirname, '..');
const header = join(root, 'bpf/sluice_abi.h');
const committed = join(root, 'src/abi/layout.gen.ts');
const output = process.argv[2] ?? committed;
const include = `-I/usr/include/${execFileSync('uname', ['-m'], { encoding: 'utf8' }).trim()}-linux-gnu`;
const text = readFileSync(header, 'utf8');
const work = mkdtempSync(join(tmpdir(), 'sluice-abi-'));
// Also where a compiler refuses what it is given.
process.on('exit', () => rmSync(work, { recursive: true, force: true }));

function btfOf(object) {
  return JSON.parse(
    execFileSync('bpftool', ['-j', 'btf', 'dump', 'file', object], { encoding: 'utf8', maxBuffer: 1 << 28 }),
  ).types;
}

/** One object that holds a variable of every struct and enum, so that all of them are in its BTF. */
function headerTypes() {
  const names = [...text.matchAll(/^(struct|enum) (slc_\w+) \{/gm)].map((m) => ({ kind: m[1], name: m[2] }));
  const source = join(work, 'anchor.c');
  const object = join(work, 'anchor.o');
  writeFileSync(
    source,
    `#include "${header}"\n${names.map(({ kind, name }) => `${kind} ${name} anchor_${name};`).join('\n')}\n`,
  );
  execFileSync('clang-19', ['-O2', '-g', '-target', 'bpf', include, '-c', source, '-o', object]);
  return { names, types: btfOf(object) };
}

function sizeOf(types, id) {
  const type = types[id - 1];
  if (type.kind === 'ARRAY') return type.nr_elems * sizeOf(types, type.type_id);
  if (type.size !== undefined) return type.size;
  if (type.kind === 'PTR') return 8;
  return sizeOf(types, type.type_id);
}

function constants() {
  const names = [...text.matchAll(/^#define (SLC_[A-Z0-9_]+) /gm)].map((m) => m[1]);
  const source = `#include <stdio.h>\n#include "${header}"\nint main(void) {\n${names
    .map((name) => `printf("${name} %llu\\n", (unsigned long long)(${name}));`)
    .join('\n')}\nreturn 0; }\n`;
  const program = join(work, 'constants');
  execFileSync('cc', ['-x', 'c', include, '-o', program, '-'], { input: source });
  return execFileSync(program, { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => line.split(' '));
}

/** Switches of the programs: both objects include the same config.h and must lay it out the same. */
function rodata() {
  execFileSync(join(root, 'scripts/build-bpf.sh'), [work]);
  const [ingress, egress] = ['sluice', 'egress'].map((name) => rodataOf(join(work, `${name}.bpf.o`)));
  if (JSON.stringify(ingress) !== JSON.stringify(egress)) throw new Error('the objects lay out config.h differently');
  return ingress;
}

/** Offsets come from the symbol table: those in BTF are filled in by the loader only. */
function rodataOf(object) {
  const readelf = (...flags) => execFileSync('llvm-readelf-19', [...flags, object], { encoding: 'utf8' });
  const section = /\[\s*(\d+)\] \.rodata /.exec(readelf('-S'))[1];
  return [...readelf('-s').matchAll(/^\s*\d+: ([0-9a-f]+)\s+(\d+) OBJECT\s+\S+\s+\S+\s+(\d+) (slc_\w+)$/gm)]
    .filter((match) => match[3] === section)
    .map((match) => ({ name: match[4], offset: parseInt(match[1], 16), size: Number(match[2]) }))
    .sort((a, b) => a.offset - b.offset);
}

/** A type in words, down to its numbers: two are the same where their bytes mean the same. */
function typeText(types, id) {
  const type = types[id - 1];
  if (type.kind === 'ARRAY') return `${type.nr_elems} * ${typeText(types, type.type_id)}`;
  if (type.kind === 'STRUCT' || type.kind === 'UNION') {
    const members = type.members.map(
      ({ name, bits_offset, type_id }) => `${bits_offset} ${name}: ${typeText(types, type_id)};`,
    );
    return `${type.kind} ${type.name} ${type.size} { ${members.join(' ')} }`;
  }
  if (type.kind === 'INT' || type.kind.startsWith('ENUM')) return `${type.kind} ${type.size}`;
  return typeText(types, type.type_id);
}

/** Where in an image servers stand. */
const PLACES = ['SLC_SECTIONS_SLOT', 'SLC_ENTRY_SERVERS'];

/**
 * What maps hold that outlive a generation, and records of the ring: the structs that bpf/maps.h names; and how an image
 * says which number a server has.
 */
function keptLayouts(types) {
  const maps = readFileSync(join(root, 'bpf/maps.h'), 'utf8');
  const kept = new Set([...maps.matchAll(/__type\((?:key|value), struct (slc_\w+)\)/g)].map((match) => match[1]));
  for (const name of ['slc_counter', 'slc_hits', 'slc_event']) kept.add(name);
  for (const name of ['slc_image_header', 'slc_section']) kept.add(name);
  const entries = [...kept].sort().map((name) => {
    const id = types.findIndex((type) => type.kind === 'STRUCT' && type.name === name) + 1;
    return [name, createHash('sha256').update(typeText(types, id)).digest('hex').slice(0, 16)];
  });
  const numbers = types.filter(({ kind }) => kind.startsWith('ENUM')).flatMap(({ values }) => values);
  const places = PLACES.map((place) => [place, String(numbers.find(({ name }) => name === place).val)]);
  return Object.fromEntries([...places, ...entries]);
}

/** Those of versions before this one, as the committed file knows them: that version's own are added when it is left. */
function olderLayouts(version) {
  const found = existsSync(committed) && /KEPT_LAYOUTS[^=]*= (\{[^]*?\n\});/.exec(readFileSync(committed, 'utf8'));
  const known = found ? JSON.parse(found[1]) : {};
  return Object.fromEntries(Object.entries(known).filter(([number]) => Number(number) < version));
}

const lines = ['// Generated by scripts/gen-abi.js from bpf/sluice_abi.h. Do not edit.', ''];
const { names, types } = headerTypes();
for (const [name, value] of constants()) {
  const big = BigInt(value);
  lines.push(
    `export const ${name} = ${big > 0xffffffffn ? `0x${big.toString(16)}n` : big > 9n ? `0x${big.toString(16)}` : value};`,
  );
}
lines.push('');
for (const { name } of names.filter(({ kind }) => kind === 'enum')) {
  const type = types.find((candidate) => candidate.kind.startsWith('ENUM') && candidate.name === name);
  const prefix = `${name.toUpperCase()}_`;
  lines.push(`export const ${name.toUpperCase()} = {`);
  for (const { name: member, val } of type.values) {
    lines.push(
      `  ${member.startsWith(prefix) ? member.slice(prefix.length) : member.replace(/^SLC_(KEY_)?/, '')}: ${val},`,
    );
  }
  lines.push('} as const;');
}
lines.push('', '/** Sizes and offsets in bytes. */', 'export const LAYOUT = {');
for (const { name } of names.filter(({ kind }) => kind === 'struct')) {
  const type = types.find((candidate) => candidate.kind === 'STRUCT' && candidate.name === name);
  lines.push(`  ${name}: {`, `    size: ${type.size},`, '    fields: {');
  for (const member of type.members) {
    lines.push(`      ${member.name}: { offset: ${member.bits_offset / 8}, size: ${sizeOf(types, member.type_id)} },`);
  }
  lines.push('    },', '  },');
}
lines.push(
  '} as const;',
  '',
  '/** Switches of the program in its read-only data, in bytes. */',
  'export const RODATA = {',
);
for (const { name, offset, size } of rodata()) lines.push(`  ${name}: { offset: ${offset}, size: ${size} },`);
lines.push(
  '} as const;',
  '',
  '/**',
  ' * Fingerprints of what is kept in maps, by version of the layout. What another version pinned is taken over where they are',
  ' * equal. Whoever changes what a field means, and not its layout, gives it another name.',
  ' */',
);
const version = Number(/^#define SLC_ABI_VERSION (\d+)$/m.exec(text)[1]);
const layouts = { ...olderLayouts(version), [version]: keptLayouts(types) };
lines.push(
  `export const KEPT_LAYOUTS: Readonly<Record<string, Readonly<Record<string, string>>>> = ${JSON.stringify(layouts, null, 2)};`,
  '',
);
writeFileSync(output, lines.join('\n'));
