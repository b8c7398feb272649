/**
 * What the tiers cost: nanoseconds more than parse-and-drop, or than the same packet without what is measured. By plain
 * test run of the programs, since what passes costs the stack; where all is dropped also live.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { REASON_CODE } from '../../src/abi/codec';
import { SLC_LIMIT_REFUSED_RANK, SLC_LIMITS } from '../../src/abi/layout.gen';
import { compile } from '../../src/compile/compile';
import type { BpfProgram } from '../../src/kernel/kernel';
import { kernel } from '../../src/kernel/native';
import type { Prefix } from '../../src/model/prefix';
import type { Reason } from '../../src/model/reason';
import { parseRuleset } from '../../src/parse/parse';
import { compileBpf } from '../support/compile-c';
import { compose, ethernet, ipv4, tcp, type TcpFlag, udp } from '../support/packet';
import { DATAPATH_HEADERS, loadFloors } from './measure/floors';
import type { Lab, Port } from './measure/lab';
import { type Pattern, PatternGenerator } from './measure/pattern';
import { Product } from './measure/product';
import { measureRounds, median, type Rounds, type Subject } from './measure/rounds';
import { TierStand } from './measure/tier-stand';
import { lossNote, packetFigures } from './product-rows';
import { type Row, rowOf } from './row';

const HERE = '192.0.2.10';
/** Replaced by the pattern's. */
const THERE = '198.18.0.0';
/** Sources, ports: enough that hardly one comes twice. */
const SPOOFED = 1 << 30;
const DEFAULT_TABLE = 65_536;

const incoming = (transport: ReturnType<typeof tcp>): Uint8Array =>
  compose(ethernet({ padTo: 60 }), ipv4({ from: THERE, to: HERE }), transport);
const outgoing = (transport: ReturnType<typeof tcp>): Uint8Array =>
  compose(ethernet({ padTo: 60 }), ipv4({ from: HERE, to: THERE }), transport);
const answer = incoming(tcp({ from: 1024, to: 40000, flags: ['ack'] }));
const going = (...flags: TcpFlag[]): Uint8Array => outgoing(tcp({ from: 40000, to: 1024, flags }));

const HOST = 'version: 1\ninbound: { default: deny, rules: [allow 22/tcp, allow 53/udp] }\nlogging: off\n';

/** What is measured beside the floors. */
interface Case {
  readonly name: string;
  readonly stand: TierStand;
  readonly frame: Uint8Array;
  readonly pattern: Omit<Pattern, 'direction' | 'mode'>;
  /** Counter slots, one of which every packet must count at. */
  readonly slots: readonly number[];
  /** Share of packets that may be counted elsewhere. */
  readonly strays?: number;
  /** Index of the case it is compared with; left out: with parse-and-drop. */
  readonly beside?: number;
  /** Nanoseconds more that it may cost. */
  readonly target?: number;
}

/** Rows of all tiers. */
export async function* tierRows(lab: Lab, drop: Port, rounds: number): AsyncGenerator<Row> {
  yield* await flowRows(rounds);
  yield* await egressRows(rounds);
  yield* await rejectRows(rounds);
  yield* await limitRows(rounds);
  yield* await banRows(rounds);
  yield* await liveRows(lab, drop, rounds);
}

async function flowRows(rounds: number): Promise<Row[]> {
  const few = await TierStand.load(HOST, { flows: DEFAULT_TABLE });
  const many = await TierStand.load(HOST, { flows: 1_000_000 });
  try {
    await few.openFlows(going('syn'), 10_000);
    await few.openFlows(going('ack'), 10_000);
    await many.openFlows(going('syn'), 1_000_000);
    await many.openFlows(going('ack'), 1_000_000);
    // what sends most has also sent last: were the hot ones the oldest, they would be those that made room
    await many.openFlows(going('syn'), 10_000);
    await many.openFlows(going('ack'), 10_000);
    const hit = { frame: answer, slots: [slotOf('flow')] };
    // of a million some found no room: fewer than one in a hundred
    const manyHit = { ...hit, strays: 0.01, stand: many };
    const miss = { frame: incoming(tcp({ to: 9999, flags: ['ack'] })), pattern: { count: SPOOFED } };
    return await measure('in', rounds, [
      { ...hit, name: 'comes in, of 10,000 flows', stand: few, pattern: { count: 10_000 }, target: 60 },
      { ...manyHit, name: 'comes in, of 1,000,000 flows', pattern: { count: 1_000_000 }, target: 300 },
      {
        ...manyHit,
        name: 'comes in, of 1,000,000 flows, 90 % of 10,000',
        pattern: { count: 1_000_000, hot: 10_000 },
        target: 150,
      },
      {
        ...miss,
        name: 'comes in, of no flow beside 10,000',
        stand: few,
        slots: [few.rank('inbound/default')],
        target: 40,
      },
      {
        ...miss,
        name: 'comes in, of no flow beside 1,000,000',
        stand: many,
        slots: [many.rank('inbound/default')],
        target: 200,
      },
    ]);
  } finally {
    few.close();
    many.close();
  }
}

async function egressRows(rounds: number): Promise<Row[]> {
  const stand = await TierStand.load(HOST, { flows: DEFAULT_TABLE });
  const opening = await TierStand.load(HOST, { flows: DEFAULT_TABLE });
  const out = (reason: Reason): number => SLC_LIMITS.REASON_SLOTS_OUT + REASON_CODE[reason];
  try {
    await stand.openFlows(going('syn'), 10_000);
    // drawn at random some would come again while their flow lives
    const firsts = { count: SPOOFED, inOrder: true };
    return await measure('out', rounds, [
      {
        ...{ name: 'goes out, TCP of a flow', stand, frame: going('ack'), pattern: { count: 10_000 } },
        ...{ slots: [out('flow')], target: 100 },
      },
      {
        ...{ name: 'goes out, the first of a flow', stand: opening, frame: going('syn'), pattern: firsts },
        ...{ slots: [opening.rank('outbound/default')], target: 220 },
      },
      {
        ...{ name: 'goes out, a UDP answer', stand, frame: outgoing(udp({ from: 53 })), pattern: { count: SPOOFED } },
        ...{ slots: [out('answer')], target: 220 },
      },
    ]);
  } finally {
    stand.close();
    opening.close();
  }
}

/** What is rejected on its way out, and what that costs packets that come in; of who rejects nothing, nothing. */
async function rejectRows(rounds: number): Promise<Row[]> {
  const rules = (fallback: string): string => `${HOST}outbound: { default: ${fallback} }\n`;
  const load = (text: string, ingress?: Uint8Array): Promise<TierStand> =>
    TierStand.load(text, { flows: DEFAULT_TABLE, ...(ingress && { ingress }) });
  const [denies, rejects] = [await load(rules('deny')), await load(rules('reject'))];
  const [plain, without] = [await load(HOST), await load(HOST, withoutPart('told'))];
  const spoofed = { count: SPOOFED };
  const syn = { frame: going('syn'), pattern: { ...spoofed, renew: true } };
  const ack = { frame: incoming(tcp({ to: 9999, flags: ['ack'] })), pattern: spoofed };
  const rst = { frame: incoming(tcp({ to: 9999, flags: ['rst'] })), pattern: spoofed };
  const out = (stand: TierStand): Pick<Case, 'stand' | 'slots'> => ({ stand, slots: [stand.rank('outbound/default')] });
  const into = (stand: TierStand): Pick<Case, 'stand' | 'slots'> => ({ stand, slots: [stand.rank('inbound/default')] });
  try {
    return [
      ...(await measure('out', rounds, [
        { ...syn, ...out(denies), name: 'goes out, denied' },
        // 1,000 of them in a second are answered.
        { ...syn, ...out(rejects), name: 'goes out, rejected, in a flood', beside: 0, target: 100 },
      ])),
      ...(await measure('in', rounds, [
        { ...ack, ...into(without), name: 'comes in, no tier of answers to the own stack' },
        { ...ack, ...into(plain), name: 'comes in, nothing that goes out is rejected', beside: 0, target: 3 },
        { ...ack, ...into(rejects), name: 'comes in, beside a reject out', beside: 1, target: 5 },
        { ...rst, ...into(plain), name: 'a RST comes in, nothing that goes out is rejected' },
        { ...rst, ...into(rejects), name: 'a RST comes in, beside a reject out', beside: 3, target: 30 },
      ])),
    ];
  } finally {
    for (const stand of [denies, rejects, plain, without]) stand.close();
  }
}

async function limitRows(rounds: number): Promise<Row[]> {
  const rules = (action: string): string =>
    `version: 1\ninbound: { default: deny, rules: ["${action}"] }\nlogging: off\n`;
  const plain = await TierStand.load(rules('allow 8000/tcp'), { flows: DEFAULT_TABLE });
  const limited = await TierStand.load(rules('limit 8000/tcp 32/1s'), { flows: DEFAULT_TABLE });
  const rank = (stand: TierStand): number => stand.ruleRanks[0];
  const attempts = [rank(limited), rank(limited) + SLC_LIMIT_REFUSED_RANK, slotOf('limit-full')];
  const syn = { frame: incoming(tcp({ to: 8000, flags: ['syn'] })), pattern: { count: SPOOFED } };
  const ack = { frame: incoming(tcp({ to: 8000, flags: ['ack'] })), pattern: { count: SPOOFED } };
  try {
    return await measure('in', rounds, [
      { ...syn, name: 'a SYN that is allowed', stand: plain, slots: [rank(plain)] },
      {
        ...syn,
        name: 'a SYN that is limited, of a new source',
        stand: limited,
        slots: attempts,
        beside: 0,
        target: 120,
      },
      { ...ack, name: 'an ACK that is allowed', stand: plain, slots: [rank(plain)] },
      { ...ack, name: 'an ACK of a limit row', stand: limited, slots: [rank(limited)], beside: 2, target: 20 },
    ]);
  } finally {
    plain.close();
    limited.close();
  }
}

/** Spread over all addresses; none of them a source of the pattern's. */
function prefixes(count: number, length: number): Prefix[] {
  const made: Prefix[] = [];
  for (let i = 1; made.length < count; i++) {
    const address = (Math.imul(i, 0x9e3779b1) & (0xffffffff << (32 - length))) >>> 0;
    if (address >>> 17 !== 0xc612 >>> 1) made.push({ family: 4, words: [address], length });
  }
  return made;
}

async function banRows(rounds: number): Promise<Row[]> {
  const given = [
    { name: 'no tier of bans', bans: [], ingress: withoutPart('bans') },
    { name: 'nobody is banned', bans: [], beside: 0, target: 3 },
    { name: '10,000 hosts are banned', bans: prefixes(10_000, 32), beside: 1, target: 60 },
    { name: '100,000 hosts are banned', bans: prefixes(100_000, 32), beside: 1, target: 100 },
    { name: '1,000 networks are banned', bans: prefixes(1000, 24), beside: 1, target: 100 },
  ];
  const stands: TierStand[] = [];
  try {
    for (const { bans, ingress } of given) {
      const stand = await TierStand.load(HOST, { flows: DEFAULT_TABLE, ...(ingress && { ingress }) });
      stands.push(stand);
      await stand.ban(bans);
    }
    const frame = incoming(tcp({ to: 9999, flags: ['syn'] }));
    return await measure(
      'in',
      rounds,
      given.map(({ name, target, beside }, i) => ({
        ...{ name, stand: stands[i], frame, pattern: { count: SPOOFED } },
        ...{ slots: [stands[i].rank('inbound/default')], target, beside },
      })),
    );
  } finally {
    for (const stand of stands) stand.close();
  }
}

/** The XDP hook's programs without a part of them. */
function withoutPart(part: 'bans' | 'told'): Uint8Array {
  const datapath = join(__dirname, '../../bpf');
  const sources = readdirSync(datapath).filter((name) => /\.[ch]$/.test(name));
  return compileBpf(
    join(__dirname, `bpf/without-${part}.bpf.c`),
    sources.map((name) => join(datapath, name)),
  );
}

function slotOf(reason: Reason): number {
  return REASON_CODE[reason];
}

/** Floors of a direction, then the cases, in interleaved rounds. */
async function measure(direction: 'in' | 'out', rounds: number, cases: readonly Case[]): Promise<Row[]> {
  const floors = direction === 'in' ? await ingressFloors() : await egressFloors();
  const generators: PatternGenerator[] = [];
  const miscounted = cases.map(() => 0);
  const checked = cases.map(() => 0);
  try {
    for (const { frame, pattern } of cases)
      generators.push(await PatternGenerator.open(frame, { ...pattern, direction, mode: 'test-run' }));
    const subjects = [
      ...floors.map(
        (floor): Subject =>
          (count) =>
            generators[0].replay(floor, count),
      ),
      ...cases.map(({ stand, slots }, i): Subject => async (count) => {
        const at = (): number => slots.reduce((sum, slot) => sum + (stand.counted().get(slot) ?? 0), 0);
        const before = at();
        const burst = await generators[i].replay(direction === 'in' ? stand.ingress : stand.egress, count);
        checked[i] += burst.sent;
        miscounted[i] += Math.abs(burst.sent - (at() - before));
        return burst;
      }),
    ];
    const measured = await measureRounds(subjects, rounds);
    return cases.map(({ name, beside, target, strays = 0 }, i) => {
      const base = beside === undefined ? 1 : floors.length + beside;
      const more = extra(measured, floors.length + i, base);
      const what = beside === undefined ? 'parsing and a drop' : cases[beside].name;
      return rowOf({
        ...{ subject: 'tier', set: name, family: 4, rules: 2, mode: 'test-run' },
        ...packetFigures(measured, floors.length + i),
        ...{
          parse_ns: measured.ns[1],
          checked: checked[i],
          wrong: miscounted[i] <= strays * checked[i] ? 0 : miscounted[i],
        },
        ...{ more_ns: more, than: what, at_most: target ?? null },
        note: `${more.toFixed(0)} ns more than ${what}${target === undefined ? '' : ` (at most ${target})`}`,
      });
    });
  } finally {
    for (const handle of [...generators, ...floors]) handle.close();
  }
}

/** Median of what a subject took more than another in the same round. */
function extra({ samples }: Rounds, subject: number, base: number): number {
  return median(samples[subject].map((ns, round) => ns - samples[base][round]));
}

async function ingressFloors(): Promise<BpfProgram[]> {
  const { drop, parse, pass } = await loadFloors();
  pass.close();
  return [drop, parse];
}

async function egressFloors(): Promise<BpfProgram[]> {
  const bytes = compileBpf(join(__dirname, 'bpf/egress-floors.bpf.c'), DATAPATH_HEADERS);
  const object = kernel().openObject(bytes, 'egress_floors');
  try {
    await object.load();
    return [object.program('egress_floor_drop'), object.program('egress_floor_parse')];
  } finally {
    object.close();
  }
}

/** Everything at once, as a careful administrator might have it. */
const ALL_ON = `version: 1
guard:
  keep-reachable: [{ from: 203.0.113.0/24, port: 22/tcp }]
  rules: [deny from 192.0.2.128/25, deny to any port 23]
inbound:
  default: deny
  ssh: { port: 22, from: rules }
  rules:
    - allow from 203.0.113.0/24 to any port 22
    - limit 443/tcp
    - allow from 198.51.100.0/24 to any port 8000:8080
    - reject to any port 113 proto tcp
outbound: { default: deny, rules: [allow to any port 53, allow to any port 443] }
`;

/** Live frames, all dropped by the default. */
async function liveRows(lab: Lab, drop: Port, rounds: number): Promise<Row[]> {
  const image = (text: string): ReturnType<typeof compile> => {
    const { ruleset, diagnostics } = parseRuleset(text, { file: 'bench.yaml' });
    if (!ruleset) throw new Error(JSON.stringify(diagnostics));
    return compile(ruleset);
  };
  const flood = (level: string): string => HOST.replace('logging: off', `logging: ${level}`);
  const bans = [...prefixes(1000, 32), ...prefixes(100, 24)];
  const given = [
    { name: 'a dropped flood, logging off', text: flood('off'), bans: [] },
    { name: 'a dropped flood, logging low', text: flood('low'), bans: [] },
    { name: 'all tiers on', text: ALL_ON, bans },
    { name: 'all tiers on, any port is kept reachable', text: ALL_ON.replace(', port: 22/tcp', ''), bans },
  ];
  const products: Product[] = [];
  const frame = incoming(tcp({ to: 9999, flags: ['syn'] }));
  const generator = await PatternGenerator.open(frame, { count: SPOOFED, direction: 'in', mode: 'native' });
  const sent = given.map(() => 0);
  try {
    for (const [i, { text, bans }] of given.entries()) {
      const product = await Product.open(lab, `product-${i}`);
      products.push(product);
      const entries = bans.map((prefix) => ({ prefix, expiresNs: null, packets: 0n, lastHitNs: null }));
      await product.install(image(text), (state) => state.bans.change([], entries, []));
    }
    const subjects = [
      (count: number) => generator.send(drop, count),
      ...products.map((product, i): Subject => async (count) => {
        const burst = await generator.send(product.port, count);
        sent[i] += burst.sent - burst.lost;
        return burst;
      }),
    ];
    const measured = await measureRounds(subjects, rounds);
    return given.map(({ name, text }, i) => {
      const { rank } = image(text).ranks.find(({ section, id }) => section === 'inbound' && id === 'default')!;
      const share = median(measured.samples[i + 1].map((ns, round) => ns / measured.samples[1][round]));
      const note = i === 0 ? '' : `${share.toFixed(2)} of ${given[0].name}`;
      return rowOf({
        ...{ subject: 'tier', set: name, family: 4, rules: 2, mode: 'native', traffic: 'miss' },
        ...packetFigures(measured, i + 1),
        ...{ checked: sent[i], wrong: Math.abs(sent[i] - Number(products[i].counted().get(rank)?.packets ?? 0)) },
        note: [note, lossNote(measured)].filter(Boolean).join('; '),
      });
    });
  } finally {
    generator.close();
    for (const product of products) await product.close();
  }
}
