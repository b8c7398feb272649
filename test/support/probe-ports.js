'use strict';
// A client for tests: `node probe-ports.js HOST`. Each line of standard input, `ID PORT PORT …`, is answered by
// `ID:` and the ports that accepted a connection. All are tried at once: shortly after the first answer (or three
// seconds without any) those that are still silent are taken as closed. Ends with its parent.
const net = require('node:net');
const readline = require('node:readline');
const { clearTimeout, setTimeout } = require('node:timers');

const host = process.argv[2];

function probe(id, ports) {
  const open = [];
  const sockets = [];
  let timer;
  const finish = () => {
    sockets.forEach((socket) => socket.destroy());
    console.log(`${id}:${open.sort().join(' ')}`);
  };
  for (const port of ports) {
    const socket = net.connect({ host, port });
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.on('connect', () => {
      open.push(port);
      if (open.length === 1) {
        clearTimeout(timer);
        timer = setTimeout(finish, 200);
      }
    });
  }
  timer = setTimeout(finish, 3000);
}

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const [id, ...ports] = line.split(' ').map(Number);
  probe(id, ports);
});
process.stdin.on('end', () => process.exit(0));
