/** C that only tests need, compiled when a test needs it and kept under `build/test` by a digest of its text. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';

const BUILD = resolve(__dirname, '../../build/test');

/** Compiles a BPF program (libbpf-dev's headers, and own ones that `includes` names) and returns the object's bytes. */
export function compileBpf(source: string, includes: readonly string[] = []): Uint8Array {
  const machine = { x64: 'x86_64', arm64: 'aarch64' }[process.arch as string] ?? process.arch;
  const flags = ['-O2', '-g', '-target', 'bpf', '-mcpu=v3', '-Wall', '-Werror', `-I/usr/include/${machine}-linux-gnu`];
  return readFileSync(compile('clang-19', [...flags, '-c'], source, '.o', includes));
}

/** Compiles a program for this machine and returns its path. */
export function compileHost(source: string): string {
  return compile('cc', ['-O2', '-Wall', '-Werror'], source, '');
}

function compile(
  compiler: string,
  flags: readonly string[],
  source: string,
  suffix: string,
  includes: readonly string[] = [],
): string {
  const hash = createHash('sha256').update([compiler, ...flags].join(' '));
  for (const file of [source, ...includes]) hash.update(readFileSync(file));
  const digest = hash.digest('hex');
  const built = join(BUILD, `${basename(source, '.c')}-${digest.slice(0, 16)}${suffix}`);
  if (existsSync(built)) return built;
  mkdirSync(BUILD, { recursive: true });
  // Several workers may compile at once: each writes a file of its own, the last rename wins.
  const own = `${built}.${process.pid}`;
  execFileSync(compiler, [...flags, source, '-o', own], { stdio: ['ignore', 'inherit', 'inherit'] });
  renameSync(own, built);
  return built;
}
