'use strict';
/**
 * Builds the native addon into build/Release: what changed, or all of it where node is another. Says nothing unless it
 * fails. Headers come from the running node's own installation where it has them, so that no download is needed; else
 * node-gyp decides.
 */
const { spawnSync } = require('node:child_process');
const { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } = require('node:fs');
const { dirname, join } = require('node:path');

const root = dirname(__dirname);
const stamp = join(root, 'build', 'built-for');

/** What the addon was built with; another node or another architecture means building anew. */
const identity = `${process.execPath} ${process.version} ${process.arch}`;

/** Lists the names of the shared header's structs and fields for native/abi.cc. */
function listAbiFields() {
  const header = readFileSync(join(root, 'bpf', 'sluice_abi.h'), 'utf8').replace(/\/\*[^]*?\*\//g, '');
  const lines = [];
  for (const [, type, body] of header.matchAll(/struct (slc_\w+) \{([^}]*)\}/g)) {
    lines.push(`SLC_STRUCT(${type})`);
    for (const [, field] of body.matchAll(/(\w+)\s*(?:\[[^\]]*\]\s*)*;/g)) lines.push(`SLC_FIELD(${type}, ${field})`);
  }
  mkdirSync(join(root, 'build'), { recursive: true });
  const path = join(root, 'build', 'abi_fields.inc');
  const text = `${lines.join('\n')}\n`;
  if (!existsSync(path) || readFileSync(path, 'utf8') !== text) writeFileSync(path, text);
}

function requirement(command, args, remedy) {
  if (spawnSync(command, args, { stdio: 'ignore' }).status === 0) return;
  process.stderr.write(`build-native: "${command} ${args.join(' ')}" failed: ${remedy}\n`);
  process.exit(1);
}

requirement('g++', ['--version'], 'sudo apt-get install -y g++ make');
requirement('make', ['--version'], 'sudo apt-get install -y g++ make');
requirement('pkg-config', ['--exists', 'libbpf'], 'sudo apt-get install -y pkg-config libbpf-dev');
const prefix = dirname(dirname(process.execPath));
const nodedir = existsSync(join(prefix, 'include', 'node', 'node_api.h')) ? [`--nodedir=${prefix}`] : [];
const gyp = join(root, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
// All anew only where node changed: make knows the rest by itself.
const known = existsSync(stamp) && readFileSync(stamp, 'utf8') === identity;
if (!known) rmSync(join(root, 'build'), { recursive: true, force: true });
listAbiFields();
const result = spawnSync(process.execPath, [gyp, 'configure', 'build', ...nodedir, '--jobs=2', '--loglevel=warn'], {
  cwd: root,
  encoding: 'utf8',
  maxBuffer: 64 * 1024 * 1024,
});
if (result.status !== 0) {
  process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`);
  process.stderr.write('build-native: building the addon failed, see above\n');
  process.exit(1);
}
writeFileSync(stamp, identity);
