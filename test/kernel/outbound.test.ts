/**
 * What goes out, and the guard: verdict and counter of both programs over one flow table, each held against the model.
 * What changes when the rules do: a flow that an earlier generation opened is judged anew.
 */
import { measureHz } from '../../src/kernel/clock';
import { kernel } from '../../src/kernel/native';
import { closesAfterEach } from '../support/close-after';
import { FlowStand, FlowTable } from '../support/flow-stand';
import * as p from '../support/packet';

const ME = '198.51.100.7';
const PEER = '203.0.113.9';
const goes = (...layers: p.Layer[]): Uint8Array => p.compose(p.ipv4({ from: ME, to: PEER }), ...layers);
const comes = (...layers: p.Layer[]): Uint8Array => p.compose(p.ipv4({ from: PEER, to: ME }), ...layers);
const tcp = (from: number, to: number, ...flags: p.TcpFlag[]): p.Layer => p.tcp({ from, to, flags });

const OPEN = 'version: 1\ninbound: { default: deny }\n';
const CLOSED = `version: 1
inbound: { default: deny, ssh: { port: 22, from: anyone }, rules: [allow 80/tcp, allow 5000/udp] }
outbound: { default: deny, rules: [allow out to any port 53] }
`;

let hz = 0;
const opened = closesAfterEach();

beforeAll(async () => {
  hz = await measureHz(kernel());
});

async function stand(text: string): Promise<FlowStand> {
  const table = await FlowTable.create(64, hz);
  const made = await FlowStand.load(text, table);
  opened.push(made, table);
  return made;
}

/** The next generation over the same flows. */
async function apply(before: FlowStand, text: string, seconds = 60): Promise<FlowStand> {
  const made = await FlowStand.load(text, before.table, { generation: 2, timeouts: { DOUBTED: seconds } });
  opened.unshift(made);
  return made;
}

const passes = (reason: string): object => ({ passed: true, reason });
const drops = (reason: string): object => ({ passed: false, reason });

test('outbound deny: answers to what is let in pass, what is allowed opens flows, the rest drops', async () => {
  const host = await stand(CLOSED);
  expect(await host.out(goes(tcp(22, 40000, 'syn', 'ack')))).toEqual(passes('answer'));
  expect(await host.out(goes(tcp(80, 40000, 'ack')))).toEqual(passes('answer'));
  expect(await host.out(goes(p.udp({ from: 5000, to: 40000 })))).toEqual(passes('answer'));
  expect(await host.table.names()).toEqual(new Set());
  expect(await host.out(goes(p.udp({ from: 40000, to: 53 })))).toEqual(passes('rule'));
  expect(await host.in(comes(p.udp({ from: 53, to: 40000 })))).toEqual(passes('flow'));
  expect(await host.out(goes(tcp(40000, 443, 'syn')))).toEqual(drops('default'));
  expect(await host.in(comes(tcp(443, 40000, 'syn', 'ack')))).toEqual(drops('default'));
});

test('forged answers: no flow, no way out', async () => {
  const host = await stand(CLOSED);
  for (const frame of [
    goes(tcp(8080, 40000, 'syn', 'ack')),
    goes(tcp(8080, 40000, 'ack')),
    goes(tcp(8080, 40000, 'rst')),
    goes(tcp(22, 40000, 'syn')),
    goes(p.udp({ from: 5001, to: 40000 })),
    goes(p.icmp({ type: 8 })),
    goes(p.icmp({ type: 13 })),
  ]) {
    expect(await host.out(frame)).toEqual(drops('default'));
  }
  expect(await host.table.names()).toEqual(new Set());
});

describe('a flow when the rules change', () => {
  const packet = goes(tcp(40000, 443, 'ack'));
  const answer = comes(tcp(443, 40000, 'ack'));

  async function connected(): Promise<FlowStand> {
    const host = await stand(OPEN);
    await host.out(goes(tcp(40000, 443, 'syn')));
    await host.out(packet);
    expect(await host.in(answer)).toEqual(passes('flow'));
    return host;
  }

  test.each([
    ['deny', CLOSED],
    // Where everything is let in, it must not pass for an answer either.
    ['deny, with everything let in', CLOSED.replace('default: deny, ssh', 'default: allow, ssh')],
  ])('outbound %s: cut at the next packet that goes out, for good', async (_name, text) => {
    const next = await apply(await connected(), text);
    expect(await next.in(answer)).toEqual(passes('flow'));
    expect(await next.out(packet)).toEqual(drops('default'));
    expect(await next.out(packet)).toEqual(drops('default'));
    expect((await next.in(answer)).reason).not.toBe('flow');
  });

  test('a fixed pair of UDP ports that was used from inside is answered where the rows let it in', async () => {
    const pair = goes(p.udp({ from: 5000, to: 5000 }));
    const host = await stand(OPEN);
    await host.out(pair);
    const next = await apply(host, CLOSED);
    for (let i = 0; i < 3; i++) expect(await next.out(pair)).toEqual(passes('answer'));
    expect((await next.in(comes(p.udp({ from: 5000, to: 5000 })))).passed).toBe(true);
    expect(await next.out(goes(p.udp({ from: 5001, to: 5000 })))).toEqual(drops('default'));
  });

  test('still allowed: judged once, then it passes as before', async () => {
    const next = await apply(await connected(), CLOSED.replace('port 53', 'port 443'));
    expect(await next.out(packet)).toEqual(passes('rule'));
    expect(await next.out(packet)).toEqual(passes('flow'));
    expect(await next.in(answer)).toEqual(passes('flow'));
  });

  test('nothing goes out: what comes in passes for a while and no longer', async () => {
    const next = await apply(await connected(), CLOSED, 0.3);
    expect(await next.in(answer)).toEqual(passes('flow'));
    await new Promise((done) => setTimeout(done, 500));
    expect(await next.in(answer)).toEqual(drops('default'));
  });

  test('allowed again, it goes on', async () => {
    const refused = await apply(await connected(), CLOSED);
    expect(await refused.out(packet)).toEqual(drops('default'));
    const again = await FlowStand.load(OPEN, refused.table, { generation: 3 });
    opened.unshift(again);
    expect(await again.out(packet)).toEqual(passes('default'));
    expect(await again.in(answer)).toEqual(passes('flow'));
  });

  test.each([
    ['out', 'deny out to 203.0.113.0/24', drops('guard'), passes('flow')],
    ['in', 'deny from 203.0.113.0/24', passes('default'), drops('guard')],
  ])('guard deny %s cuts at once', async (_name, row, out, back) => {
    const next = await apply(await connected(), `${OPEN}guard: { rules: ["${row}"] }\n`);
    expect(await next.in(answer)).toEqual(back);
    expect(await next.out(packet)).toEqual(out);
  });
});

test('keep-reachable wins over guard, rules and defaults, both ways', async () => {
  const host = await stand(`version: 1
sets: { office: [203.0.113.9] }
guard:
  keep-reachable: [{ from: office, port: 22/tcp }]
  rules: [deny from any, deny out to any]
inbound: { default: deny }
outbound: { default: deny }
`);
  expect(await host.in(comes(tcp(40000, 22, 'syn')))).toEqual(passes('keep-reachable'));
  expect(await host.out(goes(tcp(22, 40000, 'syn', 'ack')))).toEqual(passes('keep-reachable-answer'));
  expect(await host.out(goes(tcp(22, 40000, 'syn')))).toEqual(drops('guard'));
  expect(await host.out(goes(tcp(23, 40000, 'ack')))).toEqual(drops('guard'));
  expect(await host.in(comes(tcp(40000, 23, 'syn')))).toEqual(drops('guard'));
});

/** Rows of the guard that name ports are walked for packets of the ports from the first to the last that any names. */
describe('to the last port that a row of the guard names', () => {
  const PORTS = [0x1f3f, 0x1f40, 0x1f60, 0x1f90, 0x1f91, 0x270f, 0x2710, 0x2711, 1, 65535];

  test('keep-reachable, and what answers it', async () => {
    const host = await stand(`version: 1
guard:
  keep-reachable: [{ from: ${PEER}, port: 8000:8080 }, { from: ${PEER}, port: 10000/tcp }]
  rules: [deny from any, deny out to any]
`);
    for (const port of PORTS) {
      const kept = (port >= 8000 && port <= 8080) || port === 10_000;
      expect([port, await host.in(comes(tcp(40000, port, 'syn')))]).toEqual([
        port,
        kept ? passes('keep-reachable') : drops('guard'),
      ]);
      expect([port, await host.out(goes(tcp(port, 40000, 'syn', 'ack')))]).toEqual([
        port,
        kept ? passes('keep-reachable-answer') : drops('guard'),
      ]);
    }
  });

  test('rows both ways, of ports and of ICMP', async () => {
    const host = await stand(`version: 1
icmp: rules
guard:
  rules:
    - deny to any port 8000:8080
    - deny out to any port 10000 proto tcp
    - { action: deny, direction: out, proto: icmp, icmp-type: echo-request }
inbound: { default: allow }
`);
    for (const port of PORTS) {
      expect([port, await host.in(comes(tcp(40000, port, 'syn')))]).toEqual([
        port,
        port >= 8000 && port <= 8080 ? drops('guard') : passes('default'),
      ]);
      expect([port, await host.out(goes(tcp(40000, port, 'syn')))]).toEqual([
        port,
        port === 10_000 ? drops('guard') : passes('default'),
      ]);
    }
    expect(await host.out(goes(p.icmp({ type: 8 })))).toEqual(drops('guard'));
    expect(await host.out(goes(p.icmp({ type: 13 })))).toEqual(passes('default'));
    expect(await host.in(comes(p.icmp({ type: 8 })))).toEqual(passes('default'));
  });
});

test('the guard: an allow only ends it', async () => {
  const host = await stand(`version: 1
guard: { rules: [allow from 203.0.113.9, deny from any, allow out 443/tcp, deny out to any] }
inbound: { default: deny, rules: [allow 80/tcp] }
`);
  expect(await host.in(comes(tcp(40000, 80, 'syn')))).toEqual(passes('rule'));
  expect(await host.in(comes(tcp(40000, 81, 'syn')))).toEqual(drops('default'));
  expect(await host.out(goes(tcp(40000, 443, 'syn')))).toEqual(passes('default'));
  expect(await host.out(goes(tcp(40000, 444, 'syn')))).toEqual(drops('guard'));
});
