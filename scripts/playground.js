'use strict';
// A small network on this machine to try sluice in: nothing outside of it is touched, nothing of it stays.
//   scripts/playground.sh                 a shell in `edge`
//   scripts/playground.sh -- COMMAND …    one command there, its exit status is ours
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
require('./lib/typescript-hook.js');
const { openPlayground } = require('../test/support/playground.ts');
const { atEnd } = require('../test/support/netns.ts');

const WELCOME = `
You are on "edge" (192.0.2.10, 2001:db8:1::10), which listens on TCP 22 and 14141, HTTP 8000 and 14511, UDP 9000.
Three others reach it through its eth0:

    office  203.0.113.50  2001:db8:7::50        home   78.168.1.2  2001:db8:9::2
    phone   198.51.100.9  2001:db8:a::9

Their names are commands that run something there:  home nc -zv -w 2 192.0.2.10 14141
The ruleset is ~/rules.yaml; \`sluice init --yes\` writes one. \`exit\` removes everything.
`;

const RC = `PS1='edge$ '\ncd\n`;

function commandOf(args) {
  if (args.length === 0) return null;
  if (args[0] === '--' && args.length > 1) return args.slice(1);
  console.error('usage: scripts/playground.sh [-- COMMAND …]');
  process.exit(2);
}

async function main() {
  const command = commandOf(process.argv.slice(2));
  if (process.getuid() !== 0) throw new Error('network namespaces need root: run it with sudo');
  if (!command) console.log('playground: making five network namespaces …');
  const playground = await openPlayground('play');
  atEnd(playground.destroy);
  let words = command;
  if (!words) {
    console.log(WELCOME);
    const rc = path.join(playground.directory, '.bashrc');
    fs.writeFileSync(rc, RC);
    words = ['bash', '--noprofile', '--rcfile', rc, '-i'];
  }
  const [program, ...rest] = playground.network.edge.argv(words);
  const child = spawn(program, rest, { cwd: playground.directory, env: playground.environment, stdio: 'inherit' });
  // Ctrl-C belongs to the shell inside; it ends the playground only by ending.
  if (!command) process.removeAllListeners('SIGINT').on('SIGINT', () => undefined);
  child.on('error', (error) => {
    console.error(`playground: ${error.message}`);
    process.exit(1);
  });
  child.on('exit', (status) => process.exit(status ?? 1));
}

main().catch((error) => {
  console.error(`playground: ${error.message}`);
  process.exit(1);
});
