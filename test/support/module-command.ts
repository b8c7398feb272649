/** The command as modules: for tests that put another one in the place of one of them. Ours starts from one file. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ModuleKind, ScriptTarget, transpileModule } from 'typescript';

const ROOT = resolve(__dirname, '../..');

/** JavaScript of a source file, as the build makes it. */
export function compiled(source: string): string {
  const compilerOptions = { module: ModuleKind.CommonJS, target: ScriptTarget.ES2023 };
  return transpileModule(readFileSync(source, 'utf8'), { compilerOptions }).outputText;
}

/** The entry of the modules, to stand in `dist/cli` of a package. */
export function moduleEntry(): string {
  return compiled(join(ROOT, 'src/cli/main.ts'));
}

/** Writes an entry of the modules of this package to a folder; answers with its path. */
export function writeModuleCommand(folder: string): string {
  const file = join(folder, 'main.js');
  const entry = moduleEntry().replace(/require\("([^"]+)"\)/g, (_, name: string) => {
    const path = name.startsWith('.') ? join(ROOT, 'dist/cli', name) : require.resolve(name);
    return `require(${JSON.stringify(path)})`;
  });
  writeFileSync(file, entry);
  return file;
}
