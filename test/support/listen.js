'use strict';
// Servers for tests and the playground: `node listen.js tcp:14141 http:8000 udp:9000`. Each answers with the name of
// its port; `GET /slow?seconds=8` takes that long, or until SIGUSR2. Prints "ready" when all listen; ends with its parent.
const { Buffer } = require('node:buffer');
const dgram = require('node:dgram');
const http = require('node:http');
const net = require('node:net');
const { clearInterval, setInterval } = require('node:timers');
const { URL } = require('node:url');

const CHUNK = Buffer.alloc(8192, 'sluice\n');
const CHUNK_MS = 50;
/** Each ends one slow answer at once. */
const unfinished = new Set();

function answer(request, response) {
  const url = new URL(request.url, 'http://edge');
  if (url.pathname !== '/slow') {
    response.end(`hello from port ${request.socket.localPort}\n`);
    return;
  }
  let left = Math.max(1, Math.round((Number(url.searchParams.get('seconds') ?? 8) * 1000) / CHUNK_MS));
  response.writeHead(200, { 'content-length': left * CHUNK.length });
  const finish = () => {
    clearInterval(timer);
    unfinished.delete(finish);
    while (left-- > 0) response.write(CHUNK);
    response.end();
  };
  const timer = setInterval(() => {
    response.write(CHUNK);
    left -= 1;
    if (left <= 0) finish();
  }, CHUNK_MS);
  unfinished.add(finish);
  response.on('close', () => {
    clearInterval(timer);
    unfinished.delete(finish);
  });
}

function listen(text) {
  const [kind, port] = text.split(':');
  return new Promise((resolve, reject) => {
    let server;
    switch (kind) {
      case 'tcp':
        server = net.createServer((socket) =>
          socket.on('error', () => socket.destroy()).end(`hello from port ${port}\n`),
        );
        break;
      case 'hold': // accepts and keeps the connection until the client ends it
        server = net.createServer((socket) => socket.on('error', () => socket.destroy()).resume());
        break;
      case 'echo': // sends back what comes
        server = net.createServer((socket) => socket.on('error', () => socket.destroy()).pipe(socket));
        break;
      case 'http':
        server = http.createServer(answer);
        break;
      case 'udp': {
        const socket = dgram.createSocket({ type: 'udp6', ipv6Only: false });
        socket.on('message', (message, peer) => socket.send(message, peer.port, peer.address));
        socket.on('error', reject).bind(Number(port), '::', resolve);
        return;
      }
      default:
        reject(new Error(`listen: "${text}" is none of tcp:PORT hold:PORT echo:PORT http:PORT udp:PORT`));
        return;
    }
    server.on('error', reject).listen(Number(port), '::', resolve);
  });
}

Promise.all(process.argv.slice(2).map(listen)).then(
  () => console.log('ready'),
  (error) => {
    console.error(error.message);
    process.exit(1);
  },
);
process.on('SIGUSR2', () => {
  for (const finish of [...unfinished]) finish();
});
// The parent's end of the pipe closes when it dies, however it dies.
process.stdin.on('end', () => process.exit(0)).resume();
