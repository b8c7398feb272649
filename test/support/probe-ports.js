'use strict';
// A client for tests: `node probe-ports.js HOST`. Each line of standard input, `ID PORT PORT …`, is answered by
// `ID:` and the ports that accepted a connection. All are tried at once. Those are taken as closed that are still silent
// shortly after the first answer, when a question asked later has been answered too: packets keep their order on the link.
// Without any answer it takes three seconds. Ends with its parent.
const net = require('node:net');
const readline = require('node:readline');
const { clearTimeout, setImmediate, setTimeout } = require('node:timers');

const host = process.argv[2];
const SHORTLY_MS = 200;
const PATIENCE_MS = 3000;

function probe(id, ports) {
  const open = [];
  const sockets = [];
  const connect = (port, connected) => {
    const socket = net.connect({ host, port });
    sockets.push(socket);
    socket.on('error', () => undefined).on('connect', connected);
  };
  const finish = () => {
    clearTimeout(timer);
    sockets.forEach((socket) => socket.destroy());
    console.log(`${id}:${open.sort().join(' ')}`);
  };
  /** Once: where the rules change meanwhile, nobody may answer. */
  const finishBehindAnother = () => {
    timer = setTimeout(finish, PATIENCE_MS);
    connect(open[0], () => setImmediate(finish));
  };
  let timer = setTimeout(finish, PATIENCE_MS);
  for (const port of ports) {
    connect(port, () => {
      open.push(port);
      if (open.length > 1) return;
      clearTimeout(timer);
      timer = setTimeout(finishBehindAnother, SHORTLY_MS);
    });
  }
}

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const [id, ...ports] = line.split(' ').map(Number);
  probe(id, ports);
});
process.stdin.on('end', () => process.exit(0));
