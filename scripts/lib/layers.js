'use strict';
// The layer table, and the checks that hold src/, bpf/ and native/ to it. Files come in as `Map<path, text>` with paths
// from the root of the repository, so that a test can bring its own; findings go out as `{file, message}`.
const path = require('node:path');
const ts = require('typescript');

/** Rooms of src by level: a room imports from lower levels only, but not from `without`, and from the rooms of `also`. */
const LEVELS = [
  [{ room: 'model' }, { room: 'diagnostics', also: ['model'] }],
  [{ room: 'abi' }, { room: 'parse' }],
  [{ room: 'compile' }, { room: 'kernel' }],
  [{ room: 'analyse', without: ['kernel'] }, { room: 'load' }, { room: 'observe' }, { room: 'migrate' }],
  [{ room: 'operate' }],
  [{ room: 'index.ts' }],
  [{ room: 'cli', also: ['serve'] }, { room: 'serve' }],
];

/** A package that only one place may import. */
const DOORS = {
  zod: 'src/parse/schema.ts',
  'ipaddr.js': 'src/parse/address.ts',
  commander: 'src/cli/',
  bindings: 'src/kernel/native.ts',
};

/** Rooms that must not see the machine, the builtins that do not show it, and the one file that reads others. */
const PURE_ROOMS = new Set(['model', 'diagnostics', 'abi', 'parse', 'compile', 'analyse']);
const PURE_BUILTINS = new Set(['crypto', 'util', 'assert', 'buffer', 'path']);
const PURE_DOORS = { fs: 'src/parse/read-file.ts' };

/** Headers of bpf/ that every concern may include; the other headers are the concerns. */
const BPF_BASE = new Set([
  'sluice_abi.h',
  'vmlinux_types.h',
  'config.h',
  'maps.h',
  'packet.h',
  'trial.h',
  'table.h',
  'budget.h',
]);
/** Entries, one a hook, each with the header that says what its hook is; concerns must be in one of them. */
const BPF_HOOKS = { 'sluice.bpf.c': 'hook-xdp.h', 'egress.bpf.c': 'hook-tc.h' };
/** Concern → the other concerns it may include. */
const BPF_ALSO = {
  'plain.h': ['parse.h'],
  'finish.h': ['events.h', 'fragments.h'],
  'guard.h': ['classify.h'],
  'answers.h': ['classify.h', 'essentials.h', 'flows.h', 'open.h', 'parse.h'],
};

/** Room of a file of src: its folder, or `index.ts`. */
function roomOf(file) {
  return file.split('/')[1];
}

/** Rooms that a room may import from besides itself, or undefined for a room that the table does not know. */
function allowedRooms(room) {
  const level = LEVELS.findIndex((rooms) => rooms.some((entry) => entry.room === room));
  if (level < 0) return undefined;
  const lower = LEVELS.slice(0, level).flatMap((rooms) => rooms.map((entry) => entry.room));
  const { also = [], without = [] } = LEVELS[level].find((entry) => entry.room === room);
  return [...lower.filter((other) => !without.includes(other)), ...also];
}

/** Module names that a TypeScript file imports, requires or names in an import type. */
function importsOf(text) {
  const names = [];
  const source = ts.createSourceFile('file.ts', text, ts.ScriptTarget.Latest);
  const visit = (node) => {
    if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier)
      names.push(node.moduleSpecifier.text);
    if (ts.isExternalModuleReference(node)) names.push(node.expression.text);
    if (ts.isImportTypeNode(node)) names.push(node.argument.literal.text);
    if (ts.isCallExpression(node) && node.arguments.length > 0 && ts.isStringLiteralLike(node.arguments[0])) {
      const { expression } = node;
      const requires = ts.isIdentifier(expression) && expression.text === 'require';
      if (requires || expression.kind === ts.SyntaxKind.ImportKeyword) names.push(node.arguments[0].text);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return names;
}

/** What a TypeScript file asks of the machine without an import: its clock, the process. */
function machineLooksOf(text) {
  const looks = [];
  const source = ts.createSourceFile('file.ts', text, ts.ScriptTarget.Latest);
  const visit = (node) => {
    if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression)) {
      const { text: name } = node.expression;
      if (name === 'process' || name === 'performance') looks.push(name);
      if (name === 'Date' && node.name.text === 'now') looks.push('Date.now');
    }
    if (ts.isNewExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === 'Date')
      if (!node.arguments?.length) looks.push('new Date()');
    ts.forEachChild(node, visit);
  };
  visit(source);
  return looks;
}

/** The file a relative import means, as a path from the root; undefined where there is none. */
function resolve(files, from, name) {
  const base = path.posix.join(path.posix.dirname(from), name);
  return [base, `${base}.ts`, `${base.replace(/\.js$/, '')}.ts`, `${base}/index.ts`].find((file) => files.has(file));
}

function checkSource(files, dependencies) {
  const findings = [];
  const graph = new Map();
  for (const [file, text] of files) {
    if (!/^src\/.*\.ts$/.test(file)) continue;
    const room = roomOf(file);
    const allowed = allowedRooms(room);
    const report = (message) => findings.push({ file, message });
    if (!allowed) {
      report(`"${room}" is not a room of the layer table`);
      continue;
    }
    graph.set(file, []);
    if (PURE_ROOMS.has(room))
      for (const look of machineLooksOf(text))
        report(`asks "${look}": ${room} knows nothing of the machine it runs on`);
    for (const name of importsOf(text)) {
      if (!name.startsWith('.')) {
        checkPackage({ file, room, name, dependencies, report });
        continue;
      }
      const target = resolve(files, file, name);
      if (!target?.startsWith('src/')) {
        report(target ? `imports "${target}", which lies outside src` : `imports "${name}", which is no file of src`);
        continue;
      }
      graph.get(file).push(target);
      const other = roomOf(target);
      if (other !== room && !allowed.includes(other))
        report(`imports "${target}": ${room} may import only ${allowed.join(', ') || 'its own files'}`);
    }
  }
  return [...findings, ...findCycles(graph)];
}

function checkPackage({ file, room, name, dependencies, report }) {
  const builtin = name.startsWith('node:') ? name.slice(5) : undefined;
  if (builtin !== undefined) {
    if (PURE_ROOMS.has(room) && !PURE_BUILTINS.has(builtin) && PURE_DOORS[builtin] !== file)
      report(`imports "${name}": ${room} knows nothing of the machine it runs on`);
    return;
  }
  const packageName = name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/');
  const door = DOORS[packageName];
  if (door !== undefined && !file.startsWith(door)) report(`imports "${name}", whose only door is ${door}`);
  if (!dependencies.includes(packageName)) report(`imports "${name}", which is not among package.json's dependencies`);
}

/** One finding for each cycle met, type imports included. */
function findCycles(graph) {
  const findings = [];
  const done = new Set();
  const stack = [];
  const visit = (file) => {
    const at = stack.indexOf(file);
    if (at >= 0) findings.push({ file, message: `is in a cycle: ${[...stack.slice(at), file].join(' → ')}` });
    if (at >= 0 || done.has(file)) return;
    stack.push(file);
    for (const next of graph.get(file) ?? []) visit(next);
    stack.pop();
    done.add(file);
  };
  for (const file of graph.keys()) visit(file);
  return findings;
}

/** Names in `#include "…"` lines. */
function includesOf(text) {
  return [...text.matchAll(/^\s*#\s*include\s*"([^"]+)"/gm)].map((match) => match[1]);
}

function checkBpf(files) {
  const findings = [];
  const inBpf = [...files.keys()].filter((file) => /^bpf\/[^/]+\.[ch]$/.test(file)).map((file) => file.slice(4));
  const concerns = inBpf.filter((name) => name.endsWith('.h') && !BPF_BASE.has(name));
  const included = new Set();
  const graph = new Map();
  for (const name of inBpf) {
    const includes = includesOf(files.get(`bpf/${name}`));
    graph.set(
      `bpf/${name}`,
      includes.map((include) => `bpf/${include}`),
    );
    if (name in BPF_HOOKS) {
      for (const header of includes) included.add(header);
      for (const header of Object.values(BPF_HOOKS).filter(
        (hook) => hook !== BPF_HOOKS[name] && includes.includes(hook),
      ))
        findings.push({ file: `bpf/${name}`, message: `includes "${header}", which is of another hook` });
      continue;
    }
    for (const include of includes) {
      if (BPF_BASE.has(include) || BPF_ALSO[name]?.includes(include)) continue;
      const who = BPF_BASE.has(name) ? 'a base header' : name.endsWith('.h') ? 'a concern' : 'this file';
      findings.push({
        file: `bpf/${name}`,
        message: `includes "${include}": ${who} may include only ${[...BPF_BASE].join(', ')}`,
      });
    }
  }
  if (inBpf.some((name) => name in BPF_HOOKS)) {
    for (const concern of concerns.filter((header) => !included.has(header)))
      findings.push({ file: `bpf/${concern}`, message: 'is a concern that no entry includes' });
  }
  return [...findings, ...findCycles(graph)];
}

function checkNative(files) {
  const findings = [];
  for (const [file, text] of files) {
    if (!/^native\/[^/]+\.(cc|h)$/.test(file)) continue;
    for (const include of includesOf(text)) {
      if (files.has(path.posix.join('native', include))) continue;
      if (!['../bpf/sluice_abi.h', 'sluice_abi.h'].includes(include))
        findings.push({ file, message: `includes "${include}": native/ sees its own headers and bpf/sluice_abi.h` });
    }
  }
  return findings;
}

/** All findings; `dependencies` are the names that package.json lets src import. */
function checkLayers(files, dependencies) {
  return [...checkSource(files, dependencies), ...checkBpf(files), ...checkNative(files)];
}

module.exports = { LEVELS, allowedRooms, checkLayers, importsOf };
