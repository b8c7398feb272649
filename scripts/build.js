'use strict';
// Builds what is not fresh: `node scripts/build.js [--force] [npm|ts|bpf|native …]`. Needs nothing but Node and npm
// (and, for bpf and native, the Debian packages that scripts/setup.sh installs).
const { spawnSync } = require('node:child_process');
const path = require('node:path');
const { digest, isFresh, writeStamp } = require('./lib/stamp.js');
const { npmPackagesFresh } = require('./lib/npm-packages.js');

const root = path.dirname(__dirname);

const STEPS = {
  npm: {
    does: 'npm packages',
    command: ['npm', 'ci', '--ignore-scripts', '--no-audit', '--no-fund', '--no-update-notifier'],
    fresh: () => npmPackagesFresh(root),
  },
  bpf: {
    does: 'BPF objects → dist/bpf/{sluice,egress}.bpf.o',
    command: ['bash', 'scripts/build-bpf.sh'],
    inputs: ['bpf', 'scripts/build-bpf.sh'],
    outputs: ['dist/bpf/sluice.bpf.o', 'dist/bpf/egress.bpf.o'],
  },
  native: {
    does: 'native addon → build/Release/sluice.node',
    command: ['node', 'scripts/build-native.js'],
    inputs: ['native', 'binding.gyp', 'bpf/sluice_abi.h', 'scripts/build-native.js'],
    outputs: ['build/Release/sluice.node'],
    extra: [process.version, process.arch],
  },
  ts: {
    does: 'TypeScript → dist',
    command: ['node', 'scripts/build-ts.js'],
    inputs: [
      ...['src', 'tsconfig.json', 'package-lock.json', 'scripts/build-ts.js'],
      ...['bundle.js', 'code-cache.js', 'stamp.js'].map((name) => `scripts/lib/${name}`),
    ],
    outputs: ['dist/index.js', 'dist/index.d.ts', 'dist/cli/main.js', 'dist/cli/bundle'],
    extra: [process.version],
  },
};

function build(names, force) {
  names.forEach((name, i) => {
    const step = { name, extra: [], ...STEPS[name] };
    const label = `build: [${i + 1}/${names.length}] ${step.does}`;
    const fresh = step.fresh ?? (() => isFresh(root, step));
    if (!force && fresh()) {
      console.log(`${label}: up to date`);
      return;
    }
    console.log(`${label} …`);
    const began = Date.now();
    const inputs = step.inputs && digest(root, step.inputs, step.extra);
    const [command, ...args] = step.command;
    const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
    if (status !== 0) {
      console.error(`build: ${step.command.join(' ')} failed${error ? `: ${error.message}` : ''}`);
      process.exit(1);
    }
    if (step.inputs) writeStamp(root, step, inputs);
    console.log(`${label}: done in ${((Date.now() - began) / 1000).toFixed(1)} s`);
  });
}

const args = process.argv.slice(2);
const names = args.filter((arg) => arg !== '--force');
const unknown = names.find((name) => !(name in STEPS));
if (unknown !== undefined) {
  console.error(`build: unknown step "${unknown}", expected one of: ${Object.keys(STEPS).join(', ')}`);
  process.exit(2);
}
build(names.length > 0 ? names : Object.keys(STEPS), args.includes('--force'));
