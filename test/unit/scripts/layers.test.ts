interface Finding {
  file: string;
  message: string;
}
const { checkLayers, importsOf } = jest.requireActual<{
  checkLayers: (files: Map<string, string>, dependencies: string[]) => Finding[];
  importsOf: (text: string) => string[];
}>('../../../scripts/lib/layers.js');

const DEPENDENCIES = ['zod', 'ipaddr.js', 'commander', 'bindings', 'yaml'];

/** Findings of a tree, as lines. */
function check(tree: Record<string, string>): string[] {
  return checkLayers(new Map(Object.entries(tree)), DEPENDENCIES).map(({ file, message }) => `${file} ${message}`);
}

describe('importsOf', () => {
  test.each([
    ["import { a } from './a';", './a'],
    ["import type { A } from './a';", './a'],
    ["import './a';", './a'],
    ["export * from './a';", './a'],
    ["export { a } from './a';", './a'],
    ["import a = require('./a');", './a'],
    ["const a = require('./a');", './a'],
    ["const a = await import('./a');", './a'],
    ["let a: import('./a').A;", './a'],
    ["function f() { return () => require('./a'); }", './a'],
  ])('%s', (text, name) => {
    expect(importsOf(text)).toEqual([name]);
  });

  test('names in comments and strings are none', () => {
    expect(importsOf('// import "./a"\nconst a = "import \'./a\'"; obj.require("./a");')).toEqual([]);
  });
});

describe('rooms of src', () => {
  test('a tree that keeps to the table has no findings', () => {
    const tree = {
      'src/model/rule.ts': "import './prefix';",
      'src/model/prefix.ts': '',
      'src/diagnostics/diagnostic.ts': "import type { R } from '../model/rule';",
      'src/parse/schema.ts': "import { z } from 'zod'; import '../diagnostics/diagnostic'; import 'node:path';",
      'src/parse/read-file.ts': "import fs from 'node:fs';",
      'src/compile/pack.ts':
        "import { createHash } from 'node:crypto'; import '../abi/codec'; import '../parse/schema';",
      'src/abi/codec.ts': '',
      'src/load/apply.ts': "import '../compile/pack'; import '../kernel/native';",
      'src/kernel/native.ts': "import bindings from 'bindings';",
      'src/index.ts': "export * from './load/apply';",
      'src/cli/commands/apply.ts': "import { Command } from 'commander'; import '../../index';",
    };
    expect(check(tree)).toEqual([]);
  });

  test('importing from a higher room', () => {
    expect(check({ 'src/model/rule.ts': "import '../parse/parse';", 'src/parse/parse.ts': '' })).toEqual([
      'src/model/rule.ts imports "src/parse/parse.ts": model may import only its own files',
    ]);
  });

  test('importing from a neighbour of the same level', () => {
    const findings = check({ 'src/compile/pack.ts': "import '../kernel/kernel';", 'src/kernel/kernel.ts': '' });
    expect(findings).toHaveLength(1);
    expect(findings[0]).toContain('compile may import only model, diagnostics, abi, parse');
  });

  test('a type import counts like any other', () => {
    expect(check({ 'src/abi/a.ts': "import type { B } from '../load/b';", 'src/load/b.ts': '' })).toHaveLength(1);
  });

  test("only cli and serve see the library's face", () => {
    const findings = check({ 'src/operate/a.ts': "import '../index';", 'src/index.ts': '' });
    expect(findings).toHaveLength(1);
    expect(check({ 'src/serve/a.ts': "import '../index';", 'src/index.ts': '' })).toEqual([]);
  });

  test('a room that the table does not know', () => {
    expect(check({ 'src/utils/a.ts': '' })).toEqual(['src/utils/a.ts "utils" is not a room of the layer table']);
  });

  test('src never imports test', () => {
    expect(check({ 'src/model/a.ts': "import '../../test/support/b';", 'test/support/b.ts': '' })).toEqual([
      'src/model/a.ts imports "test/support/b.ts", which lies outside src',
    ]);
  });

  test('a file that does not exist', () => {
    expect(check({ 'src/model/a.ts': "import './gone';" })).toEqual([
      'src/model/a.ts imports "./gone", which is no file of src',
    ]);
  });

  test('cycles between files of one room, the path in the message', () => {
    const tree = {
      'src/model/a.ts': "import './b';",
      'src/model/b.ts': "import './c';",
      'src/model/c.ts': "import './a';",
    };
    expect(check(tree)).toEqual([
      'src/model/a.ts is in a cycle: src/model/a.ts → src/model/b.ts → src/model/c.ts → src/model/a.ts',
    ]);
  });
});

describe('doors', () => {
  test.each([
    ['src/parse/parse.ts', 'zod', 'src/parse/schema.ts'],
    ['src/parse/port.ts', 'ipaddr.js', 'src/parse/address.ts'],
    ['src/operate/history.ts', 'commander', 'src/cli/'],
    ['src/kernel/features.ts', 'bindings', 'src/kernel/native.ts'],
  ])('%s may not import %s', (file, name, door) => {
    expect(check({ [file]: `import x from '${name}';` })).toEqual([
      `${file} imports "${name}", whose only door is ${door}`,
    ]);
    expect(check({ [door.endsWith('/') ? `${door}a.ts` : door]: `import x from '${name}';` })).toEqual([]);
  });

  test('a deep import is an import of the package', () => {
    expect(check({ 'src/parse/a.ts': "import z from 'zod/v4';" })).toHaveLength(1);
  });

  test('a package that package.json does not list', () => {
    expect(check({ 'src/parse/a.ts': "import x from '@scope/name/deep';" })).toEqual([
      `src/parse/a.ts imports "@scope/name/deep", which is not among package.json's dependencies`,
    ]);
  });

  test('rooms that know nothing of the machine', () => {
    expect(check({ 'src/compile/a.ts': "import fs from 'node:fs';" })).toEqual([
      'src/compile/a.ts imports "node:fs": compile knows nothing of the machine it runs on',
    ]);
    expect(check({ 'src/operate/a.ts': "import fs from 'node:fs';" })).toEqual([]);
    for (const room of ['model', 'diagnostics', 'abi', 'parse', 'analyse'])
      expect(check({ [`src/${room}/a.ts`]: "import fs from 'node:fs';" })).toHaveLength(1);
    expect(check({ 'src/parse/read-file.ts': "import fs from 'node:fs';" })).toEqual([]);
    expect(check({ 'src/parse/read-file.ts': "import os from 'node:os';" })).toHaveLength(1);
    expect(check({ 'src/analyse/a.ts': "import '../kernel/b';", 'src/kernel/b.ts': '' })).toEqual([
      'src/analyse/a.ts imports "src/kernel/b.ts": analyse may import only model, diagnostics, abi, parse, compile',
    ]);
  });

  test.each(['Date.now()', 'new Date()', 'process.env.HOME', 'performance.now()'])('nor ask %s', (look) => {
    expect(check({ 'src/parse/a.ts': `const x = ${look};` })).toEqual([
      expect.stringContaining('parse knows nothing of the machine it runs on'),
    ]);
    expect(check({ 'src/operate/a.ts': `const x = ${look};`, 'src/parse/b.ts': 'new Date(5);' })).toEqual([]);
  });
});

describe('C', () => {
  const base = { 'bpf/packet.h': '#include "sluice_abi.h"', 'bpf/sluice_abi.h': '' };
  const bpf = (tree: Record<string, string>): string[] => check({ ...base, ...tree });

  test('a tree that keeps to the table', () => {
    const tree = {
      'bpf/events.h': '#include "packet.h"',
      'bpf/finish.h': '#include <bpf/bpf_helpers.h>\n#include "events.h"',
      'bpf/sluice.bpf.c': '#include "finish.h"\n#include "events.h"',
      'native/args.h': '',
      'native/abi.cc': '#include "args.h"\n#include "../bpf/sluice_abi.h"',
    };
    expect(bpf(tree)).toEqual([]);
  });

  test('a concern that includes another one', () => {
    const tree = {
      'bpf/a.h': '#include "packet.h"\n#include "b.h"',
      'bpf/b.h': '',
      'bpf/sluice.bpf.c': '#include "a.h"\n#include "b.h"',
    };
    expect(bpf(tree)).toEqual([
      'bpf/a.h includes "b.h": a concern may include only sluice_abi.h, vmlinux_types.h, config.h, maps.h, packet.h, trial.h, table.h, budget.h',
    ]);
  });

  test('a base header that includes a concern', () => {
    const tree = { 'bpf/maps.h': '#include "a.h"', 'bpf/a.h': '', 'bpf/sluice.bpf.c': '#include "a.h"' };
    expect(bpf(tree)).toHaveLength(1);
  });

  test('a concern that the entry leaves out', () => {
    expect(bpf({ 'bpf/a.h': '', 'bpf/sluice.bpf.c': '#include "packet.h"' })).toEqual([
      'bpf/a.h is a concern that no entry includes',
    ]);
  });

  test('native sees of bpf only the shared header', () => {
    expect(bpf({ 'native/a.cc': '#include "../bpf/maps.h"' })).toEqual([
      'native/a.cc includes "../bpf/maps.h": native/ sees its own headers and bpf/sluice_abi.h',
    ]);
  });

  test('headers in a circle', () => {
    expect(bpf({ 'bpf/maps.h': '#include "packet.h"', 'bpf/packet.h': '#include "maps.h"' })).toHaveLength(1);
  });
});
