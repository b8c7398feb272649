/** `replay` by the command: which way packets go, and what a second ruleset judges otherwise. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ReplayLine } from '../../src/observe/replay';
import { writePcap } from '../../src/observe/pcap';
import { COMMAND } from '../support/edge-host';
import * as p from '../support/packet';
import { type Finished, run } from '../support/process';
import { inboundRules } from '../support/ruleset-text';

const HERE = '192.0.2.10';
const HERE6 = '2001:db8:1::10';
const FRAMES = [
  p.compose(p.ipv4({ from: '203.0.113.9', to: HERE }), p.tcp({ to: 8000 })),
  p.compose(p.ipv4({ from: HERE, to: '203.0.113.9' }), p.udp({ from: 40000, to: 53 })),
  p.compose(p.ipv4({ from: HERE, to: '203.0.113.9' }), p.tcp({ from: 40000, to: 25 })),
  p.compose(p.ipv6({ from: HERE6, to: '2001:db8:9::2' }), p.tcp({ from: 40000, to: 25 })),
  p.compose(p.vlan(), p.ipv4({ from: '203.0.113.9', to: HERE }), p.tcp({ to: 9000 })),
  p.compose(p.arp()),
];

let directory: string;
let capture: string;
const file = (name: string): string => join(directory, name);

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'slc-replay-'));
  capture = file('capture.pcap');
  writeFileSync(capture, writePcap(FRAMES.map((bytes) => ({ bytes }))));
  const outbound = 'outbound: { default: deny, rules: [allow out to any port 53] }\n';
  writeFileSync(file('rules.yaml'), inboundRules('allow 22/tcp', 'allow 8000/tcp') + outbound);
  writeFileSync(file('other.yaml'), inboundRules('allow 22/tcp', 'allow 8000:9000/tcp') + outbound.replace('53', '25'));
});
afterAll(() => {
  rmSync(directory, { recursive: true });
});

const replay = (...words: string[]): Promise<Finished> =>
  run([process.execPath, COMMAND, 'replay', ...words, '--pcap', capture]);
const lines = ({ stdout }: Finished): ReplayLine[] =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as ReplayLine);
const told = ({ section, verdict, tier }: ReplayLine): string => `${verdict} ${section} ${tier}`;

test('of one server: the packets that it judges, and with a second ruleset those that it judges in either', async () => {
  const server = (port: number): string =>
    `servers: { red: { address: ${HERE}, ports: ${port}, rules: ['allow ${port}'] } }\n`;
  writeFileSync(file('red.yaml'), inboundRules('allow 22/tcp') + server(8000));
  writeFileSync(file('moved.yaml'), inboundRules('allow 22/tcp') + server(9000));
  const of = async (...words: string[]) => lines(await replay(...words, '--model', '--server', 'red'));
  expect((await of(file('red.yaml'))).map(({ packet, section }) => [packet, section])).toEqual([[1, 'red']]);
  expect((await of(file('red.yaml'), file('moved.yaml'))).map(({ packet }) => packet)).toEqual([1, 5]);
});

test.each([[[]], [['--model']], [['--kernel']]])('what comes from here goes out (%j)', async (by) => {
  const all = await replay(file('rules.yaml'), ...by);
  expect(all).toMatchObject({ status: 0, stderr: '' });
  expect(lines(all).map(told)).toEqual([
    ...['allow inbound 7', 'deny inbound 9', 'deny inbound 9', 'deny inbound 9', 'deny inbound 9', 'allow inbound 2'],
  ]);
  const local = await replay(file('rules.yaml'), '--local', HERE, '--local', '2001:db8:1::/64', ...by);
  expect(lines(local).map(told)).toEqual([
    ...['allow inbound 7', 'allow outbound out 6', 'deny outbound out 7', 'deny outbound out 7'],
    ...['deny inbound 9', 'allow inbound 2'],
  ]);
  expect(lines(local).map(({ packet }) => packet)).toEqual([1, 2, 3, 4, 5, 6]);
});

test('two rulesets: what gets another verdict, with both', async () => {
  const found = await replay(file('rules.yaml'), file('other.yaml'), '--local', HERE, '--exit-code');
  expect(found).toMatchObject({ status: 4, stderr: '3 of 6 packets get another verdict\n' });
  expect(lines(found)).toEqual([
    expect.objectContaining({
      packet: 2,
      from: expect.objectContaining({ verdict: 'allow', tier: 'out 6' }) as object,
      to: { section: 'outbound', verdict: 'deny', tier: 'out 7', reason: 'default', rule: null },
    }),
    expect.objectContaining({ packet: 3 }),
    expect.objectContaining({
      packet: 5,
      from: expect.objectContaining({ verdict: 'deny' }) as object,
      to: expect.objectContaining({ verdict: 'allow', tier: '7' }) as object,
    }),
  ]);
  const same = await replay(file('rules.yaml'), file('rules.yaml'), '--exit-code');
  expect(same).toMatchObject({ status: 0, stdout: '', stderr: '0 of 6 packets get another verdict\n' });
});

test('an address that is none', async () => {
  const refused = await replay(file('rules.yaml'), '--local', '192.0.2');
  expect(refused).toMatchObject({ status: 2, stderr: expect.stringContaining('"192.0.2"') as string });
});
