'use strict';
// clang-format over bpf/ and native/: says what differs, or with `--write` mends it.
const { spawnSync } = require('node:child_process');
const path = require('node:path');
const { filesUnder } = require('./lib/stamp.js');

const root = path.dirname(__dirname);
const files = filesUnder(root, ['bpf', 'native']).filter((file) => /\.(c|cc|h)$/.test(file));
const how = process.argv[2] === '--write' ? ['-i'] : ['--dry-run', '-Werror'];
const { status, error } = spawnSync('clang-format-19', [...how, ...files], { cwd: root, stdio: 'inherit' });
if (error) console.error(`format: clang-format-19: ${error.message}; ./scripts/setup.sh installs it`);
if (status !== 0) process.exit(1);
console.log(`format: ${files.length} C and C++ files are formatted`);
