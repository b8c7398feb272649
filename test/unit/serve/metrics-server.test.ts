/** What a hostile client costs who serves metrics: one text, however many requests he writes at once. */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { renderMetrics } from '../../../src/observe/metrics';
import { buildSnapshot } from '../../../src/observe/build-snapshot';
import { MetricsServer, type Taken } from '../../../src/serve/metrics-server';

let directory: string;
let server: MetricsServer; /** Snapshots that were taken, and how often they were rendered. */
let taken = 0;
let looked = 0;

const none = { packets: '0', bytes: '0' };
const nothing = { reasons: {}, verdicts: { allow: none, deny: none } };
const empty = buildSnapshot({
  ...{ takenAt: '2026-01-01T00:00:00Z', active: null, file: null, pending: null, ruleset: null },
  ...{ interfaces: [], notFiltered: [], figures: { rules: {}, ...nothing, outgoing: nothing } },
  ...{ bans: { hosts: 0, prefixes: 0 }, allowAll: [], events: null, spare: null, booted: null, warnings: [] },
});

const take = (): Promise<Taken> => {
  taken++;
  return Promise.resolve({
    text: () => {
      looked++;
      return Promise.resolve(Buffer.from(renderMetrics(empty, { ruleSeries: 1, version: '0' })));
    },
  });
};

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), `slc-metrics-${process.pid}-`));
  const path = join(directory, 'm.sock');
  const say = (): void => undefined;
  server = await MetricsServer.listen({ address: { kind: 'unix', path }, take, say });
  taken = looked = 0;
});
afterEach(async () => {
  await server.close();
  rmSync(directory, { recursive: true });
});

/** Writes to the socket, and gives what came until its end. */
async function ask(text: string): Promise<string> {
  const socket = connect(join(directory, 'm.sock'));
  let answer = '';
  socket.setEncoding('utf8').on('data', (part: string | Buffer) => (answer += part.toString()));
  socket.on('error', () => undefined);
  socket.write(text);
  await new Promise((done) => socket.once('close', done));
  return answer;
}

const GET = 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n';

test('a thousand requests in one write are answered by one text at most', async () => {
  const answer = await ask(GET.repeat(1000));
  expect(answer.split('HTTP/1.1 200').length - 1).toBeLessThanOrEqual(1);
  expect(looked).toBeLessThanOrEqual(taken);
  expect(await ask(GET)).toContain('sluice_active 0');
});

test('a snapshot is rendered once, however many ask for it', async () => {
  const texts = await Promise.all(Array.from({ length: 8 }, async () => ask(GET)));
  for (const text of texts) expect(text).toContain('sluice_active 0');
  expect(looked).toBeLessThanOrEqual(taken);
});
