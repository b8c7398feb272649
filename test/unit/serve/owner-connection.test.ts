/** Connections of owners who mean no good, at a real socket: each is let go of, within the time that it has. */
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type OwnerAnswer, refusedAnswer } from '../../../src/operate/owner/answer';
import type { OwnerRequest } from '../../../src/parse/schema';
import { serveConnection } from '../../../src/serve/owner-connection';

let folder: string;
let listener: Server;
let served: Promise<void>[];
let requests: OwnerRequest[];

const HUGE = { ...refusedAnswer('red', { code: 'x', message: 'x' }), lines: ['x'.repeat(8 << 20)] } as OwnerAnswer;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'slc-connection-'));
  [served, requests] = [[], []];
  listener = createServer({ allowHalfOpen: true }, (socket) =>
    served.push(
      serveConnection(socket, 'red', async (request) => {
        requests.push(request);
        return Promise.resolve(HUGE);
      }),
    ),
  );
  await new Promise<void>((done) => listener.listen(join(folder, 's'), done));
});

afterEach(async () => {
  await new Promise((done) => listener.close(done));
  rmSync(folder, { recursive: true });
});

async function open(): Promise<Socket> {
  const socket = connect({ path: join(folder, 's'), allowHalfOpen: true });
  // Cut off: that is what is expected of it.
  socket.on('error', () => undefined);
  await new Promise((done) => socket.once('connect', done));
  return socket;
}

test('one who reads nothing of a long answer, one who sends a byte at a time, one who says nothing, one who is gone', async () => {
  const unread = await open();
  unread.pause().write('{"version":1,"verb":"status"}\n');
  const slow = await open();
  let told = '';
  slow.on('data', (chunk) => (told += chunk.toString()));
  const drip = setInterval(() => slow.write(' '), 50);
  const silent = await open();
  const gone = await open();
  gone.write('{"version":1,', () => gone.destroy());
  await new Promise((done) => gone.once('close', done));
  await Promise.all(served);
  clearInterval(drip);
  expect(served).toHaveLength(4);
  expect(told).toMatch(/^\{.*"owner\/request".*no whole request came within 5 s/);
  expect(requests).toEqual([{ version: 1, verb: 'status', words: [] }]);
  for (const socket of [unread, slow, silent]) socket.destroy();
});

test('of two requests in one the first is answered; a line that is too long is not kept', async () => {
  const two = await open();
  let text = '';
  two.on('data', (chunk) => (text += chunk.toString()));
  two.end('{"version":1,"verb":"status"}\n{"version":1,"verb":"udp","words":["on"]}\n');
  await new Promise((done) => two.once('end', done));
  expect(requests.map(({ verb }) => verb)).toEqual(['status']);
  expect(text.length).toBeGreaterThan(8 << 20);
  const long = await open();
  text = '';
  long.on('data', (chunk) => (text += chunk.toString()));
  for (let i = 0; i < 100; i++) long.write('x'.repeat(1 << 16));
  long.end();
  await new Promise((done) => long.once('end', done));
  expect(text).toContain('longer than 65536 bytes');
  await Promise.all(served);
});

test('who speaks HTTP is told in HTTP that this is none, and what to write', async () => {
  const answered = await new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
    const asked = request({ socketPath: join(folder, 's'), path: '/status', method: 'POST' }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => resolve({ status: response.statusCode, text }));
    });
    asked.on('error', reject).end('{"version":1,"verb":"status"}');
  });
  const { error } = JSON.parse(answered.text) as OwnerAnswer;
  expect([answered.status, error!.code, requests]).toEqual([400, 'owner/request', []]);
  expect(error!.message).toMatch(/speaks no HTTP/);
  expect(error!.hint).toMatch(/nc -NU SOCKET$/);
  await Promise.all(served);
});
