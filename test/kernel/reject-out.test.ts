/**
 * What a packet that is rejected on its way out is answered with: byte for byte but for the checksums, which must be
 * right both as they stand and once a NIC has completed them where the question's were left to it; and that the answer,
 * coming in, is known for what it is.
 */
import { ANSWERS_OUT_A_SECOND, answerTo } from '../../src/model/answer';
import { decode } from '../../src/model/decode';
import { evaluate } from '../../src/model/evaluate';
import { NO_STATE } from '../../src/model/given-state';
import { evaluateOutgoing } from '../../src/model/outbound';
import { nameOfAnswer } from '../../src/model/told';
import { IngressStand, IngressTables } from '../support/ingress-stand';
import * as p from '../support/packet';
import { BACK, BACK_LINK, FORTH, quoted, reset, RESETS, unreachable } from '../support/reject-frames';

const RULES = `version: 1
inbound: { default: deny, rules: [allow 22/tcp] }
guard: { rules: [{ id: mail, action: reject, direction: out, port: 25 }] }
outbound:
  default: reject
  rules: [{ id: shut, action: reject, port: 14141 }, { id: silent, action: deny, port: 9 }, allow 8000/tcp]
`;
const { source4, destination4, source6, destination6 } = p.DEFAULTS;

let tables: IngressTables;
let out: IngressStand;
let back: IngressStand;

beforeAll(async () => {
  tables = await IngressTables.create(1);
  out = await IngressStand.load(RULES, tables, {}, 'out');
  back = await IngressStand.load(RULES, tables);
});

afterAll(() => {
  out.close();
  back.close();
  tables.close();
});

/** Seconds in which no answer of a test before is known any more; fresh budgets. */
beforeEach(() => {
  tables.now += 2000;
});

/** Sum of 16-bit words, ends carried round (RFC 1071). */
function sumOf(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i] << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

/** The transport header and what follows, and the pseudo header that its checksum covers. */
function partsOf(frame: Uint8Array, link: number): { segment: Uint8Array; pseudo: Uint8Array } {
  const family = frame[link] >> 4;
  const header = family === 4 ? 20 : 40;
  const length =
    ((frame[link + (family === 4 ? 2 : 4)] << 8) | frame[link + (family === 4 ? 3 : 5)]) - (family === 4 ? 20 : 0);
  const segment = frame.slice(link + header, link + header + length);
  const protocol = frame[link + (family === 4 ? 9 : 6)];
  const addresses = frame.slice(link + (family === 4 ? 12 : 8), link + header);
  const rest = Uint8Array.of(0, protocol, length >> 8, length & 0xff);
  return { segment, pseudo: protocol === 1 ? new Uint8Array() : p.join(addresses, rest) };
}

/** Whether the checksum is right: as it stands, and once it was completed where the question left it to the NIC. */
function checksums(frame: Uint8Array, link: number, at: number): { standing: number; completed: number } {
  const { segment, pseudo } = partsOf(frame, link);
  const standing = sumOf(p.join(pseudo, segment));
  const complement = ~sumOf(segment) & 0xffff;
  segment.set([complement >> 8, complement & 0xff], at);
  return { standing, completed: sumOf(p.join(pseudo, segment)) };
}

const RIGHT = { standing: 0xffff, completed: 0xffff };

/** The frame is answered with these layers, in the name of whom it was for; `at`: the row that counts. */
async function expectAnswer(
  question: readonly p.Layer[],
  answer: readonly p.Layer[],
  at = 'shut',
): Promise<Uint8Array> {
  const frame = p.compose(...question);
  const tags = question.filter(({ name }) => name === 'vlan');
  const plain = p.compose(BACK_LINK, ...tags, ...answer);
  const expected = p.join(plain, new Uint8Array(Math.max(0, Math.min(frame.length, 60) - plain.length)));
  const judged = await out.in(frame);
  expect({ action: judged.action, at: judged.at }).toEqual({ action: 'redirect', at });
  expect(evaluateOutgoing(out.ruleset, frame)).toMatchObject({ verdict: 'reject', rule: at === 'default' ? null : at });

  const link = 14 + 4 * tags.length;
  const isTcp = question.some(({ name }) => name === 'tcp');
  const header = link + (expected[link] >> 4 === 4 ? 20 : 40);
  // Where the checksum and what balances it stand: of TCP the urgent pointer, of ICMPv6 bytes that mean nothing.
  const balanced = isTcp ? [16, 17, 18, 19] : [2, 3, 6, 7];
  const without = (bytes: Uint8Array): string =>
    p.hexOf(bytes.map((byte, i) => (balanced.includes(i - header) ? 0 : byte)));
  expect(without(judged.output)).toBe(without(expected));
  expect(checksums(judged.output, link, isTcp ? 16 : 6)).toEqual(RIGHT);
  return judged.output;
}

describe.each([4, 6] as const)('IPv%d', (family) => {
  test.each(RESETS)('%s is reset, and the answer is known when it comes in', async (_name, question, data, answer) => {
    const layers = [FORTH[family](), p.tcp(question), p.raw(new Uint8Array(data).fill(7))];
    const output = await expectAnswer(layers, [BACK[family](), reset(answer)]);
    expect(await back.in(output)).toMatchObject({ action: 'pass', at: '(own-answer)' });
    const decoded = decode(output);
    if (decoded.kind !== 'ip') throw new Error('a packet');
    const told = new Set([nameOfAnswer(decoded.packet)]);
    expect(evaluate(back.ruleset, output, { ...NO_STATE, told })).toMatchObject({ tier: '2', reason: 'own-answer' });
    // A SYN of the same ends is none, nor is a RST of other ends.
    for (const other of [{ flags: ['syn'] as const }, { flags: ['rst'] as const, to: 40001 }]) {
      const frame = p.compose(BACK_LINK, BACK[family](), p.tcp({ from: 14141, to: 40000, ...other }));
      expect(await back.in(frame)).toMatchObject({ action: 'drop', at: 'default' });
      expect(evaluate(back.ruleset, frame, { ...NO_STATE, told })).toMatchObject({ reason: 'default' });
    }
    // For this second and the next.
    tables.now += 1000;
    expect(await back.in(output)).toMatchObject({ action: 'pass', at: '(own-answer)' });
    tables.now += 1000;
    expect(await back.in(output)).toMatchObject({ action: 'drop', at: 'default' });
  });

  test('the guard and the default reject too', async () => {
    const answer = { flags: ['rst', 'ack'], acknowledgement: 1 } as const;
    await expectAnswer([FORTH[family](), p.tcp({ to: 25 })], [BACK[family](), reset(answer, 25)], 'mail');
    await expectAnswer([FORTH[family](), p.tcp({ to: 444 })], [BACK[family](), reset(answer, 444)], 'default');
  });

  test('VLAN tags are kept', async () => {
    const answer = [BACK[family](), reset({ flags: ['rst', 'ack'], acknowledgement: 1 })];
    await expectAnswer([p.vlan({ id: 9 }), FORTH[family](), p.tcp()], answer);
    await expectAnswer([p.vlan({ kind: 'ad', id: 7 }), p.vlan({ id: 9 }), FORTH[family](), p.tcp()], answer);
  });

  test.each([0, 1, 8, 60, 100, 1472, 3000])(
    'UDP with %d bytes: port unreachable, known when it comes in',
    async (bytes) => {
      const question = [FORTH[family](), p.udp(), p.raw(new Uint8Array(bytes).fill(0x5a))];
      const output = await expectAnswer(question, [BACK[family](), unreachable(family, quoted(question), 'port')]);
      expect(await back.in(output)).toMatchObject({ action: 'pass', at: '(own-answer)' });
      tables.now += 2000;
      expect((await back.in(output)).action).toBe('drop');
    },
  );

  test('SCTP: port unreachable; GRE and an echo-request: prohibited', async () => {
    const echo = family === 4 ? p.icmp() : p.icmpv6();
    for (const [transport, code, at] of [
      [p.sctp(), 'port', 'default'],
      [p.raw(new Uint8Array(24).fill(1), 47), 'prohibited', 'default'],
      [echo, 'prohibited', 'default'],
    ] as const) {
      const question = [FORTH[family](), transport];
      const output = await expectAnswer(question, [BACK[family](), unreachable(family, quoted(question), code)], at);
      expect(await back.in(output)).toMatchObject({ action: 'pass', at: '(own-answer)' });
    }
  });
});

describe('never answered', () => {
  const quote4 = [p.ipv4({ from: destination4, to: source4 }), p.udp()];
  const quote6 = [p.ipv6({ from: destination6, to: source6 }), p.udp()];

  test.each<[string, p.Layer[]]>([
    ['a RST', [p.ipv4(), p.tcp({ flags: ['rst'] })]],
    ['a first fragment of TCP without ACK', [p.ipv4({ moreFragments: true }), p.tcp(), p.raw(new Uint8Array(4))]],
    ['ICMP unreachable', [p.ipv4(), p.icmp({ type: 3, quote: quote4 })]],
    ['ICMPv6 unreachable', [p.ipv6(), p.icmpv6({ type: 1, quote: quote6 })]],
    ['multicast', [p.ethernet({ to: '01:00:5e:00:00:fb' }), p.ipv4({ to: '224.0.0.251' }), p.udp()]],
    ['IPv6 multicast', [p.ethernet({ to: '33:33:00:00:00:fb' }), p.ipv6({ to: 'ff02::fb' }), p.udp()]],
    ['broadcast', [p.ethernet({ to: 'ff:ff:ff:ff:ff:ff' }), p.ipv4({ to: '192.0.2.255' }), p.udp()]],
    ['a source that is nobody', [p.ipv4({ from: '0.0.0.0' }), p.udp({ from: 1000, to: 444 })]],
    ['IP options', [p.ipv4({ options: [1, 1, 1, 1] }), p.tcp()]],
    ['extension headers', [p.ipv6(), p.hopByHop(), p.tcp()]],
  ])('%s', async (name, layers) => {
    const frame = p.compose(...layers);
    const before = tables.rejects('out');
    expect((await out.in(frame)).action).toBe('drop');
    expect(tables.rejects('out')).toEqual({ ...before, unanswered: before.unanswered + 1n });
    expect(evaluateOutgoing(out.ruleset, frame)).toMatchObject({ verdict: 'reject' });
    const decoded = decode(frame);
    if (decoded.kind !== 'ip') throw new Error('a packet');
    // The model does not see how long the headers are.
    if (!/IP options|extension/.test(name))
      expect(answerTo(decoded.packet, ((frame[0] | frame[6]) & 1) === 1)).toBe('none');
  });

  test('what is denied, lets through or follows unknown', async () => {
    const before = tables.rejects('out');
    expect(await out.in(p.compose(p.ipv4(), p.tcp({ to: 9 })))).toMatchObject({ action: 'drop', at: 'silent' });
    expect(await out.in(p.compose(p.ipv4(), p.tcp({ to: 8000 })))).toMatchObject({ action: 'pass' });
    const later = p.compose(p.ipv4({ fragmentOffset: 64 }), p.raw(new Uint8Array(32), 17));
    expect(await out.in(later)).toMatchObject({ action: 'drop' });
    expect(tables.rejects('out')).toEqual(before);
  });
});

describe('the budget', () => {
  test('of a source is 100 answers a second, of all 1,000; it is not that of what comes in', async () => {
    const before = { out: tables.rejects('out'), in: tables.rejects('in') };
    const one = Array.from({ length: 300 }, (_, i) => p.compose(p.ipv4(), p.tcp({ from: 1000 + i })));
    expect(await out.inMany(one)).toEqual({
      actions: { redirect: ANSWERS_OUT_A_SECOND.source, drop: 200 },
      at: { shut: 300 },
    });
    const from = (i: number): string => `198.51.${(i >> 8) & 255}.${i & 255}`;
    const many = Array.from({ length: 5000 }, (_, i) => p.compose(p.ipv4({ from: from(i) }), p.udp()));
    expect((await out.inMany(many)).actions).toEqual({ redirect: ANSWERS_OUT_A_SECOND.all - 100, drop: 4100 });
    const after = tables.rejects('out');
    expect(after.answered - before.out.answered).toBe(1000n);
    expect(after.capped - before.out.capped).toBe(4300n);
    expect(tables.rejects('in')).toEqual(before.in);
    tables.now += 1000;
    expect((await out.inMany(one)).actions).toEqual({ redirect: 100, drop: 200 });
  });
});
