/**
 * What a rejected packet is answered with, byte for byte: the answers are composed by themselves, with checksums of
 * their own, and compared with the frame that the program leaves, wherever the linear part of the question ends.
 */
import { ANSWERS_A_SECOND, answerTo } from '../../src/model/answer';
import { decode } from '../../src/model/decode';
import { evaluate } from '../../src/model/evaluate';
import { IngressStand, IngressTables } from '../support/ingress-stand';
import * as p from '../support/packet';
import { BACK, BACK_LINK, FORTH, quoted, reset, RESETS, unreachable } from '../support/reject-frames';

const RULES = `version: 1
icmp: rules
inbound:
  default: reject
  rules: [{ id: shut, action: reject, port: 14141 }, { id: silent, action: deny, port: 9 }, allow 8000/tcp]
`;
const { source4, destination4, source6, destination6 } = p.DEFAULTS;

let tables: IngressTables;
let stand: IngressStand;

beforeAll(async () => {
  tables = await IngressTables.create(1);
  stand = await IngressStand.load(RULES, tables);
});

afterAll(() => {
  stand.close();
  tables.close();
});

/** Another second: fresh budgets. */
function refill(): void {
  tables.now += 1000;
}

beforeEach(refill);

/** The frame, padded as one that is not shorter than the shortest question. */
function padded(frame: Uint8Array, question: Uint8Array): Uint8Array {
  const length = Math.max(frame.length, Math.min(question.length, 60));
  return p.join(frame, new Uint8Array(length - frame.length));
}

async function expectAnswer(question: readonly p.Layer[], answer: readonly p.Layer[], at = 'shut'): Promise<void> {
  const frame = p.compose(...question);
  const expected = padded(p.compose(BACK_LINK, ...answer), frame);
  const judged = await stand.in(frame);
  expect({ action: judged.action, at: judged.at }).toEqual({ action: 'tx', at });
  expect(p.hexOf(judged.output)).toBe(p.hexOf(expected));
  expect(evaluate(stand.ruleset, frame).verdict).toBe('reject');
}

describe.each([4, 6] as const)('IPv%d', (family) => {
  test.each(RESETS)('%s is reset', async (_name, question, data, answer) => {
    const payload = p.raw(new Uint8Array(data).fill(7));
    await expectAnswer([FORTH[family](), p.tcp(question), payload], [BACK[family](), reset(answer)]);
  });

  test('VLAN tags are kept', async () => {
    const tags = [p.vlan({ kind: 'ad', id: 0x2007 }), p.vlan({ id: 9 })];
    const answer = [BACK[family](), reset({ flags: ['rst', 'ack'], acknowledgement: 1 })];
    await expectAnswer([tags[1], FORTH[family](), p.tcp()], [tags[1], ...answer]);
    await expectAnswer([...tags, FORTH[family](), p.tcp()], [...tags, ...answer]);
  });

  test.each([0, 1, 8, 60, 79, 81, 100, 500, 1472, 8000])('UDP with %d bytes: port unreachable', async (bytes) => {
    const question = [FORTH[family](), p.udp(), p.raw(new Uint8Array(bytes).fill(0x5a))];
    await expectAnswer(question, [BACK[family](), unreachable(family, quoted(question), 'port')]);
    const tagged = [p.vlan(), ...question];
    await expectAnswer(tagged, [p.vlan(), BACK[family](), unreachable(family, quoted(question), 'port')]);
  });

  test('SCTP: port unreachable; GRE and an echo-request: prohibited', async () => {
    const sctp = [FORTH[family](), p.sctp()];
    await expectAnswer(sctp, [BACK[family](), unreachable(family, quoted(sctp), 'port')], 'default');
    const gre = [FORTH[family](), p.raw('a packet', 47)];
    await expectAnswer(gre, [BACK[family](), unreachable(family, quoted(gre), 'prohibited')], 'default');
    const echo = [FORTH[family](), family === 4 ? p.icmp() : p.icmpv6()];
    await expectAnswer(echo, [BACK[family](), unreachable(family, quoted(echo), 'prohibited')], 'default');
  });

  test('headers between are left out of a reset, and quoted by an error', async () => {
    const between =
      family === 4 ? [p.ipv4({ options: [1, 1, 1, 1] })] : [p.ipv6(), p.hopByHop(), p.destinationOptions()];
    await expectAnswer(
      [...between, p.tcp({ sequence: 1 })],
      [BACK[family](), reset({ flags: ['rst', 'ack'], acknowledgement: 2 })],
    );
    const udp = [...between, p.udp(), p.raw('x')];
    await expectAnswer(udp, [BACK[family](), unreachable(family, quoted(udp), 'port')]);
  });

  test('a first fragment: UDP is answered, TCP where it has an ACK', async () => {
    const first = family === 4 ? [p.ipv4({ moreFragments: true })] : [p.ipv6(), p.fragment({ more: true })];
    const udp = [...first, p.udp({ length: 99 }), p.raw(new Uint8Array(16))];
    await expectAnswer(udp, [BACK[family](), unreachable(family, quoted(udp), 'port')]);
    await expectAnswer(
      [...first, p.tcp({ flags: ['ack'], acknowledgement: 4 }), p.raw(new Uint8Array(4))],
      [BACK[family](), reset({ flags: ['rst'], sequence: 4 })],
    );
  });

  test('wherever the linear part ends', async () => {
    for (const transport of [[p.tcp({ sequence: 1 })], [p.udp(), p.raw(new Uint8Array(700).fill(3))]]) {
      const frame = p.compose(p.vlan(), FORTH[family](), ...transport);
      const { output } = await stand.in(frame);
      for (let linear = 14; linear < Math.min(frame.length, 120); linear += 3) {
        refill();
        const judged = await stand.in(frame, linear);
        expect([linear, judged.action, p.hexOf(judged.output)]).toEqual([linear, 'tx', p.hexOf(output)]);
      }
    }
  });
});

describe('never answered', () => {
  const dst = (to: string): p.Layer => (to.includes(':') ? p.ipv6({ to }) : p.ipv4({ to }));
  const src = (from: string): p.Layer => (from.includes(':') ? p.ipv6({ from }) : p.ipv4({ from }));
  const quote4 = [p.ipv4({ from: destination4, to: source4 }), p.udp()];
  const quote6 = [p.ipv6({ from: destination6, to: source6 }), p.udp()];

  test.each<[string, p.Layer[]]>([
    ['a RST', [p.ipv4(), p.tcp({ flags: ['rst'] })]],
    ['a RST-ACK', [p.ipv6(), p.tcp({ flags: ['rst', 'ack'] })]],
    ['a first fragment of TCP without ACK', [p.ipv4({ moreFragments: true }), p.tcp(), p.raw(new Uint8Array(4))]],
    ['ICMP unreachable', [p.ipv4(), p.icmp({ type: 3, quote: quote4 })]],
    ['ICMP source quench', [p.ipv4(), p.icmp({ type: 4, quote: quote4 })]],
    ['ICMP redirect', [p.ipv4(), p.icmp({ type: 5, quote: quote4 })]],
    ['ICMP time exceeded', [p.ipv4(), p.icmp({ type: 11, quote: quote4 })]],
    ['ICMP parameter problem', [p.ipv4(), p.icmp({ type: 12, quote: quote4 })]],
    ['ICMPv6 unreachable', [p.ipv6(), p.icmpv6({ type: 1, quote: quote6 })]],
    ['an unknown ICMPv6 error', [p.ipv6(), p.icmpv6({ type: 100 })]],
    ['an ICMPv6 redirect', [p.ipv6(), p.icmpv6({ type: 137 })]],
    ['multicast', [dst('224.0.0.251'), p.udp()]],
    ['IPv6 multicast', [dst('ff02::fb'), p.udp()]],
    ['broadcast', [dst('255.255.255.255'), p.udp()]],
    ['a reserved address', [dst('240.0.0.1'), p.udp()]],
    ['broadcast of the link', [p.ethernet({ to: 'ff:ff:ff:ff:ff:ff' }), dst('192.0.2.255'), p.udp()]],
    ['multicast of the link', [p.ethernet({ to: '01:00:5e:00:00:01' }), p.ipv4(), p.udp()]],
    ['a station that is a group', [p.ethernet({ from: '03:00:00:00:00:01' }), p.ipv4(), p.tcp()]],
    ['a source that is nobody', [src('0.0.0.0'), p.udp()]],
    ['a source in this network', [src('0.1.2.3'), p.tcp()]],
    ['a loopback source', [src('127.0.0.1'), p.tcp()]],
    ['a multicast source', [src('224.0.0.1'), p.udp()]],
    ['a broadcast source', [src('255.255.255.255'), p.udp()]],
    ['the unspecified IPv6 source', [src('::'), p.udp()]],
    ['the loopback IPv6 source', [src('::1'), p.tcp()]],
    ['a multicast IPv6 source', [src('ff02::1'), p.udp()]],
  ])('%s', async (_name, layers) => {
    const frame = p.compose(...layers);
    const before = tables.rejects();
    const { action } = await stand.in(frame);
    expect(action).toBe('drop');
    expect(tables.rejects()).toEqual({ ...before, unanswered: before.unanswered + 1n });
    const decoded = decode(frame);
    if (decoded.kind !== 'ip') throw new Error('a packet');
    expect(answerTo(decoded.packet, ((frame[0] | frame[6]) & 1) === 1)).toBe('none');
    expect(evaluate(stand.ruleset, frame)).toMatchObject({ verdict: 'reject' });
  });

  test('what is denied or let in is not answered either', async () => {
    const before = tables.rejects();
    expect(await stand.in(p.compose(p.ipv4(), p.tcp({ to: 9 })))).toMatchObject({ action: 'drop', at: 'silent' });
    expect(await stand.in(p.compose(p.ipv4(), p.tcp({ to: 8000 })))).toMatchObject({ action: 'pass' });
    // A later fragment is dropped before any rule is asked.
    const later = p.compose(p.ipv4({ fragmentOffset: 64 }), p.raw(new Uint8Array(32), 17));
    expect(await stand.in(later)).toMatchObject({ action: 'drop' });
    expect(tables.rejects()).toEqual(before);
  });
});

describe('the budget', () => {
  const from = (i: number): string => `198.51.${(i >> 8) & 255}.${i & 255}`;

  test('of a source is 10 answers a second; another source has its own', async () => {
    const flood = Array.from({ length: 500 }, (_, i) => p.compose(p.ipv4(), p.tcp({ from: 1000 + i })));
    const other = p.compose(p.ipv4({ from: '198.51.100.77' }), p.udp());
    const { actions, at } = await stand.inMany([...flood, other]);
    expect(actions).toEqual({ tx: ANSWERS_A_SECOND.source + 1, drop: 490 });
    // Each of them is a hit of the rule all the same.
    expect(at).toEqual({ shut: 501 });
  });

  test('of an IPv6 source is that of its /64', async () => {
    const flood = Array.from({ length: 100 }, (_, i) => p.compose(p.ipv6({ from: `2001:db8:7::${i + 1}` }), p.tcp()));
    const { actions } = await stand.inMany(flood);
    expect(actions).toEqual({ tx: 10, drop: 90 });
  });

  test('of all is 1,000 answers a second, however many sources ask', async () => {
    const flood = Array.from({ length: 20_000 }, (_, i) => p.compose(p.ipv4({ from: from(i) }), p.udp()));
    const { actions } = await stand.inMany(flood);
    expect(actions).toEqual({ tx: ANSWERS_A_SECOND.all, drop: 19_000 });
  });

  test('is counted', async () => {
    const before = tables.rejects();
    const { actions } = await stand.inMany(Array.from({ length: 50 }, () => p.compose(p.ipv4(), p.tcp())));
    const after = tables.rejects();
    expect(after.answered - before.answered).toBe(BigInt(actions.tx));
    expect(after.capped - before.capped).toBe(BigInt(actions.drop));
  });

  test('comes back with the next second', async () => {
    const frame = p.compose(p.ipv4(), p.tcp());
    const flood = Array.from({ length: 50 }, () => frame);
    expect((await stand.inMany(flood)).actions).toEqual({ tx: 10, drop: 40 });
    tables.now += 999 - (tables.now % 1000);
    expect((await stand.inMany(flood)).actions).toEqual({ drop: 50 });
    tables.now += 1;
    expect((await stand.inMany(flood)).actions).toEqual({ tx: 10, drop: 40 });
  });
});
