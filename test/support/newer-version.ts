/**
 * The next version of this package, with another layout: its header is this one's with a higher number and longer records of
 * what limit rules count; its datapath and its layouts are made of that by the same scripts that make ours.
 */
import { appendFileSync, cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { SLC_ABI_VERSION } from '../../src/abi/layout.gen';
import { compiled, moduleEntry } from './module-command';
import { must } from './process';

const ROOT = resolve(__dirname, '../..');

/** What `text` becomes; throws where there is nothing to change. */
function changed(text: string, pattern: RegExp, by: string): string {
  if (!pattern.test(text)) throw new Error(`nothing matches ${String(pattern)}`);
  return text.replace(pattern, by);
}

/** Builds it into a folder; returns its command. */
export function buildNewerVersion(folder: string): string {
  for (const name of ['bpf', 'dist', 'scripts']) cpSync(join(ROOT, name), join(folder, name), { recursive: true });
  cpSync(join(ROOT, 'src/abi/layout.gen.ts'), join(folder, 'src/abi/layout.gen.ts'));
  for (const name of ['build', 'node_modules', 'package.json']) symlinkSync(join(ROOT, name), join(folder, name));
  const header = join(folder, 'bpf/sluice_abi.h');
  const text = readFileSync(header, 'utf8');
  const raised = changed(text, /#define SLC_ABI_VERSION \d+/, `#define SLC_ABI_VERSION ${SLC_ABI_VERSION + 1}`);
  const longer = changed(raised, /(struct slc_attempts \{[^}]*)\}/, '$1    __u64 more[2];\n}');
  const size = /SLC_ASSERT_SIZE\(struct slc_attempts, (\d+)\)/.exec(longer);
  const asserted = changed(longer, /(SLC_ASSERT_SIZE\(struct slc_attempts,) \d+/, `$1 ${Number(size?.[1]) + 16}`);
  writeFileSync(header, asserted);
  must([process.execPath, join(folder, 'scripts/gen-abi.js')]);
  must(['bash', join(folder, 'scripts/build-bpf.sh')]);
  writeFileSync(join(folder, 'dist/abi/layout.gen.js'), compiled(join(folder, 'src/abi/layout.gen.ts')));
  // Ours starts from one file, which holds our layout.
  writeFileSync(join(folder, 'dist/cli/main.js'), moduleEntry());
  return join(folder, 'dist/cli/main.js');
}

/** The same version, but that it lays out these structs in another way too than ours does; returns its command. */
export function withOtherLayouts(command: string, folder: string, structs: readonly string[]): string {
  const whole = resolve(command, '../../..');
  cpSync(join(whole, 'dist'), join(folder, 'dist'), { recursive: true });
  for (const name of ['build', 'node_modules', 'package.json']) symlinkSync(join(ROOT, name), join(folder, name));
  const changes = structs.map((name) => `exports.KEPT_LAYOUTS[${SLC_ABI_VERSION + 1}].${name} = 'another';\n`);
  appendFileSync(join(folder, 'dist/abi/layout.gen.js'), changes.join(''));
  return join(folder, 'dist/cli/main.js');
}
