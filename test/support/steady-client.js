'use strict';
// A client that never stops asking: `node steady-client.js HOST ECHO_PORT TCP_PORT UDP_PORT`. Every 100 ms it opens a new
// TCP connection, sends a datagram from a new port, and says a word in one session that stays open. What is answered it
// prints as a line of JSON: what kind, when it was asked, when the answer came (milliseconds since 1970); and before that,
// without an answer, what it asks.
const dgram = require('node:dgram');
const net = require('node:net');
const { setImmediate, setInterval, setTimeout } = require('node:timers');

const [host, echoPort, tcpPort, udpPort] = process.argv.slice(2);
const EVERY_MS = 100;
/** A fresh probe is one packet: of TCP it is given up before it would be sent again; nobody sends a datagram again. */
const PATIENCE_MS = { tcp: 900, udp: 10_000 };

/** Does it so much later, but not before what has come by then was read. */
function afterwards(ms, act) {
  setTimeout(() => setImmediate(act), ms);
}

function tell(kind, asked) {
  process.stdout.write(`${JSON.stringify({ kind, asked, answered: Date.now() })}\n`);
}

function ask(kind) {
  const asked = Date.now();
  process.stdout.write(`${JSON.stringify({ kind, asked })}\n`);
  return asked;
}

function probeTcp() {
  const asked = ask('tcp');
  const socket = net.connect(Number(tcpPort), host);
  socket.on('connect', () => tell('tcp', asked));
  socket.on('connect', () => socket.destroy());
  socket.on('error', () => socket.destroy());
  afterwards(PATIENCE_MS.tcp, () => socket.destroy());
}

function probeUdp() {
  const asked = ask('udp');
  const socket = dgram.createSocket('udp4');
  const close = () => {
    try {
      socket.close();
    } catch {
      // closed already
    }
  };
  socket.on('message', () => {
    tell('udp', asked);
    close();
  });
  socket.on('error', close);
  socket.send('word', Number(udpPort), host);
  afterwards(PATIENCE_MS.udp, close);
}

const session = net.connect(Number(echoPort), host);
let heard = '';
session.on('data', (bytes) => {
  heard += bytes;
  const words = heard.split('\n');
  heard = words.pop();
  for (const word of words) tell('session', Number(word));
});
session.on('error', (error) => process.stdout.write(`the session ended: ${error.message}\n`));
session.on('close', () => process.stdout.write('the session is closed\n'));

setInterval(() => {
  probeTcp();
  probeUdp();
  if (session.writable) session.write(`${Date.now()}\n`);
}, EVERY_MS);
