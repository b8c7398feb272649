'use strict';
// `npm run soak`: a change every second under traffic, for 20 minutes; what must stay flat is printed each minute.
const path = require('node:path');
const process = require('node:process');

if (!global.gc) {
  const { spawnSync } = require('node:child_process');
  const argv = ['--expose-gc', path.join(__dirname, 'soak.js'), ...process.argv.slice(2)];
  process.exit(spawnSync(process.execPath, argv, { stdio: 'inherit' }).status ?? 1);
}
if (process.getuid() !== 0) {
  console.error('soak: loading programs and making namespaces needs root: run it with sudo');
  process.exit(2);
}
require('./lib/typescript-hook.js');
const { main, UsageError } = require('../test/soak/main.ts');
main(process.argv.slice(2)).then(
  (status) => process.exit(status),
  (error) => {
    console.error(`soak: ${error instanceof UsageError ? error.message : error.stack}`);
    process.exit(error instanceof UsageError ? 2 : 1);
  },
);
