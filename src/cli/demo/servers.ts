/** What listens on the demo's edge, as the text of a Node program: TCP 14141, HTTP 8000 and 14511, a UDP echo on 9000. */
export const SERVERS = `
const { createServer } = require('node:net');
const http = require('node:http');
const { createSocket } = require('node:dgram');
let starting = 4;
const ready = () => { if (--starting === 0) console.log('ready'); };
createServer((socket) => { socket.on('error', () => {}); socket.end('hello from 14141\\n'); }).listen(14141, '::', ready);
for (const port of [8000, 14511]) http.createServer((_, response) => response.end('hello from ' + port + '\\n')).listen(port, '::', ready);
const udp = createSocket('udp6');
udp.on('message', (message, { address, port }) => udp.send(message, port, address));
udp.bind(9000, '::', ready);
`;
