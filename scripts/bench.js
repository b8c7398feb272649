'use strict';
// `npm run bench`: what a packet, a compile and an apply cost, beside floors and other firewalls. One CPU sends and
// filters, before whatever else wants it; compiling and other commands are ordinary processes that may use all.
const { spawnSync } = require('node:child_process');
const os = require('node:os');
const path = require('node:path');
const process = require('node:process');

const PINNED = 'SLUICE_BENCH_PINNED';

function pin() {
  const cpu = os.cpus().length - 1;
  const command = [
    '-n',
    '-15',
    'taskset',
    '-c',
    String(cpu),
    process.execPath,
    path.join(__dirname, 'bench.js'),
    ...process.argv.slice(2),
  ];
  const { status, error } = spawnSync('nice', command, { stdio: 'inherit', env: { ...process.env, [PINNED]: '1' } });
  if (error) throw error;
  return status ?? 1;
}

async function run() {
  if (process.argv.includes('--help')) {
    require('./lib/typescript-hook.js');
    console.log(require('../test/bench/options.ts').USAGE);
    return 0;
  }
  if (process.getuid() !== 0) throw new Error('loading programs and making namespaces needs root: run it with sudo');
  if (process.env[PINNED] !== '1') return pin();
  require('./lib/typescript-hook.js');
  const { main } = require('../test/bench/main.ts');
  return main(process.argv.slice(2));
}

run().then(
  (status) => (process.exitCode = status),
  (error) => {
    console.error(`bench: ${error.stack}`);
    process.exitCode = 1;
  },
);
