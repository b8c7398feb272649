/** The seven steps of what goes out, one by one. */
import { decode } from '../../../src/model/decode';
import { evaluatePacket } from '../../../src/model/evaluate';
import { flowOfPacket, TCP_FLAG } from '../../../src/model/flow';
import { NO_STATE } from '../../../src/model/given-state';
import { evaluateOutgoing, evaluateOutgoingPacket } from '../../../src/model/outbound';
import { mirror, type Packet } from '../../../src/model/packet';
import type { Ruleset } from '../../../src/model/ruleset';
import { at, rule, ruleset } from '../../support/findings';

const ME = 0xc6336407;
const PEER = 0xcb007109;
const base = { family: 4, source: [ME], destination: [PEER], hopLimit: 64, fragment: 'none' } as const;
const tcp = (sourcePort: number, destinationPort: number, tcpFlags: number): Packet => ({
  ...base,
  protocol: 6,
  sourcePort,
  destinationPort,
  tcpFlags,
});
const udp = (sourcePort: number, destinationPort: number): Packet => ({
  ...base,
  protocol: 17,
  sourcePort,
  destinationPort,
});
const icmp = (type: number, quote?: Packet['quote']): Packet => ({
  ...base,
  protocol: 1,
  sourcePort: 0,
  destinationPort: 0,
  icmp: { type, code: 0, identifier: 7 },
  ...(quote && { quote }),
});
const { SYN, ACK } = TCP_FLAG;

/** SSH and a web server let in, DNS let out, the rest refused both ways. */
const closed: Ruleset = {
  ...ruleset([rule(1, 'allow', { port: [80], proto: [6] }), rule(2, 'allow', { port: [5000], proto: [17] })], {
    inbound: { ssh: { ports: [22], from: 'anyone', source: at(1) } },
  }),
  outbound: { name: 'outbound', default: 'deny', rules: [rule(3, 'allow', { port: [53] })] },
};
const judge = (packet: Packet, set = closed, state = NO_STATE): string => {
  const { tier, verdict, reason, rule: row } = evaluateOutgoingPacket(set, packet, state);
  return `${tier} ${verdict} ${reason}${row === null ? '' : ` ${row}`}`;
};

test('answers to what the rules let in pass, and only those', () => {
  expect(judge(tcp(22, 40000, SYN | ACK))).toBe('out 5 allow answer');
  expect(judge(tcp(80, 40000, ACK))).toBe('out 5 allow answer');
  expect(judge(udp(5000, 40000))).toBe('out 5 allow answer');
  expect(judge(icmp(0))).toBe('out 5 allow answer');
  expect(judge(tcp(8080, 40000, SYN | ACK))).toBe('out 7 deny default');
  expect(judge(udp(5001, 40000))).toBe('out 7 deny default');
});

test('a SYN without ACK and an echo-request are never answers', () => {
  expect(judge(tcp(22, 40000, SYN))).toBe('out 7 deny default');
  expect(judge(icmp(8))).toBe('out 7 deny default');
});

test('tier 9 counts for TCP alone', () => {
  const open = { ...closed, inbound: { ...closed.inbound, default: 'allow' as const } };
  expect(judge(tcp(8080, 40000, ACK), open)).toBe('out 5 allow answer');
  expect(judge(udp(5001, 40000), open)).toBe('out 7 deny default');
});

test('an ICMP error answers the packet it quotes', () => {
  const quoting = (packet: Packet): Packet => icmp(3, { kind: 'packet', key: mirror(packet) });
  expect(judge(quoting(tcp(22, 40000, ACK)))).toBe('out 5 allow answer');
  expect(judge(quoting(tcp(8080, 40000, ACK)))).toBe('out 7 deny default');
  const flow = flowOfPacket(tcp(40000, 443, SYN))!;
  const state = { ...NO_STATE, flows: new Set([flow]) };
  expect(judge(quoting(tcp(40000, 443, ACK)), closed, state)).toBe('out 5 allow answer');
  expect(judge(icmp(3, { kind: 'bad', reason: 'icmp-quote-short' }))).toBe('out 7 deny default');
});

test('a flow passes; one of TCP in doubt is judged by rules and default, never as an answer', () => {
  const packet = tcp(40000, 443, ACK);
  const flows = new Set([flowOfPacket(packet)!]);
  expect(judge(packet, closed, { ...NO_STATE, flows })).toBe('out 4 allow flow');
  const open = { ...closed, inbound: { ...closed.inbound, default: 'allow' as const } };
  expect(judge(packet, open)).toBe('out 5 allow answer');
  expect(judge(packet, open, { ...NO_STATE, flows, doubted: flows })).toBe('out 7 deny default');
});

test('a flow in doubt that is no TCP can be an answer all the same: rows alone say what is let in', () => {
  const doubting = (packet: Packet): string =>
    judge(packet, closed, {
      ...NO_STATE,
      doubted: new Set([flowOfPacket(packet)!]),
      flows: new Set([flowOfPacket(packet)!]),
    });
  expect(doubting(udp(5000, 5000))).toBe('out 5 allow answer');
  expect(doubting(udp(5001, 5000))).toBe('out 7 deny default');
});

test('where nothing is refused only what would open a flow is asked whether it answers', () => {
  const open = { ...closed, outbound: { name: 'outbound', default: 'allow' as const, rules: [] } };
  expect(judge(tcp(22, 40000, ACK), open)).toBe('out 7 allow default');
  expect(judge(udp(5000, 40000), open)).toBe('out 5 allow answer');
  expect(judge(udp(5001, 40000), open)).toBe('out 7 allow default');
});

describe('guard', () => {
  const guarded: Ruleset = {
    ...closed,
    guard: {
      keepReachable: [rule(1, 'allow', { from: ['203.0.113.9'], port: [22], proto: [6] })],
      rules: [
        { ...rule(2, 'deny', { from: ['203.0.113.0/24'] }), direction: 'in' },
        { ...rule(3, 'allow', { to: ['203.0.113.9'], port: [53] }), direction: 'out' },
        { ...rule(4, 'deny', { to: ['203.0.113.0/24'] }), direction: 'out' },
      ],
    },
  };

  test('keep-reachable wins over everything, both ways', () => {
    const answer = tcp(22, 40000, SYN | ACK);
    expect(judge(answer, guarded)).toBe('out 2 allow keep-reachable-answer');
    const back = { ...base, ...mirror(answer), tcpFlags: ACK };
    expect(evaluatePacket(guarded, back)).toMatchObject({
      tier: '3.1',
      verdict: 'allow',
      section: 'guard',
      rule: 'r1',
    });
    expect(evaluatePacket(guarded, { ...back, destinationPort: 80 })).toMatchObject({ tier: '3.3', verdict: 'deny' });
    expect(judge(tcp(22, 40000, SYN), guarded)).toBe('out 3 deny guard r4');
  });

  test('deny is final and cuts flows, allow only ends the guard', () => {
    const flows = (packet: Packet): typeof NO_STATE => ({ ...NO_STATE, flows: new Set([flowOfPacket(packet)!]) });
    expect(judge(tcp(40000, 443, ACK), guarded, flows(tcp(40000, 443, ACK)))).toBe('out 3 deny guard r4');
    expect(judge(udp(40000, 53), guarded)).toBe('out 6 allow rule r3');
  });

  test('a later fragment follows its first, or drops where anything can be refused', () => {
    const later: Packet = { ...udp(0, 0), fragment: 'later', part: { id: 1, at: 1480, judged: 0 } };
    expect(judge(later, guarded)).toBe('out 4 deny fragment');
    expect(judge(later, ruleset([]))).toBe('out 7 allow default');
  });
});

test('a frame: sanity and what links need', () => {
  expect(evaluateOutgoing(closed, new Uint8Array(3))).toMatchObject({ tier: 'out 1', reason: 'too-short' });
  const arp = new Uint8Array(60);
  arp.set([8, 6], 12);
  expect(decode(arp).kind).toBe('non-ip');
  expect(evaluateOutgoing(closed, arp)).toMatchObject({ tier: 'out 1', verdict: 'allow', section: 'outbound' });
});
