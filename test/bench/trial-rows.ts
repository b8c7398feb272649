/**
 * What sections that wait to be confirmed by themselves cost: the ingress program over the same rows as those of a server,
 * of `inbound` and of the guard, while none waits, while another section does (its program looks at each confirm word),
 * while this one does (the clock is read), and past its deadline before anybody has tidied up. What was before has every
 * verdict the other way round, and each program's answers are held against the scan in each state.
 */
import { SLC_LIMITS } from '../../src/abi/layout.gen';
import { compile } from '../../src/compile/compile';
import { openDatapath } from '../../src/kernel/datapath-object';
import { kernel } from '../../src/kernel/native';
import { ConfirmWords } from '../../src/load/confirm-words';
import { NO_GUARD, type Rule, type Ruleset, type Server } from '../../src/model/ruleset';
import { type SectionBefore, sectionNow, type Trial } from '../../src/model/trial';
import { requireAnswers } from './measure/answers';
import type { Floors } from './measure/floors';
import { Generator } from './measure/generator';
import { loadAlone } from './measure/product';
import { measureRounds, type Subject } from './measure/rounds';
import { packetFigures } from './product-rows';
import { type Row, rowOf } from './row';
import { rulesetOf } from './sets/bench-set';
import { makeSet } from './sets/catalogue';
import { NO_ROW, Scan } from './sets/scan';
import { hitTrace } from './sets/trace';

const SET = { name: 'acl1', size: 1000, family: 4 } as const;
const HOUR_NS = 3_600_000_000_000n;
const SOURCE = { file: 'bench.yaml', line: 1, column: 1, offset: 0, length: 0 };
/** Words of the section with the rows, and of the other one. */
const [OWN, OTHER] = [1, 2];

/** A ruleset in which one section has the rows, the same with each verdict the other way round, and another section. */
interface Place {
  readonly name: string;
  readonly now: Ruleset;
  readonly before: Ruleset;
  /** What waits where another section does. */
  readonly other: SectionBefore;
  /** Whether what no row matches passes. */
  readonly otherwise: boolean;
}

function turned(rules: readonly Rule[]): Rule[] {
  return rules.map((rule) => ({ ...rule, action: rule.action === 'allow' ? 'deny' : 'allow' }));
}

function placesOf(plain: Ruleset): Place[] {
  const { rules } = plain.inbound;
  const bare = { ...plain, inbound: { ...plain.inbound, rules: [] } };
  const own = (given: readonly Rule[]): Server => ({
    ...{ ...plain.inbound, rules: given, name: 'own', source: SOURCE },
    addresses: [
      { family: 4, words: [0], length: 1 },
      { family: 4, words: [0x80000000], length: 1 },
    ],
  });
  const other: Server = {
    ...own([]),
    name: 'other',
    addresses: [{ family: 6, words: [0, 0, 0, 0], length: 0 }],
  };
  const server = (given: readonly Rule[]): Ruleset => ({ ...bare, servers: [other, own(given)] });
  const inbound = (given: readonly Rule[]): Ruleset => ({ ...plain, inbound: { ...plain.inbound, rules: given } });
  const guard = (given: readonly Rule[]): Ruleset => ({
    ...bare,
    inbound: { ...bare.inbound, default: 'allow' },
    guard: { ...NO_GUARD, rules: given.map((rule) => ({ ...rule, direction: 'in' })) },
  });
  const outbound = sectionNow(plain, 'outbound')!;
  return [
    { name: 'own', now: server(rules), before: server(turned(rules)), other, otherwise: false },
    { name: 'inbound', now: inbound(rules), before: inbound(turned(rules)), other: outbound, otherwise: false },
    { name: 'guard', now: guard(rules), before: guard(turned(rules)), other: outbound, otherwise: true },
  ];
}

/** A row a section and state; in the note what it adds to the one in which nothing waits. */
export async function trialRows(floors: Floors, rounds: number): Promise<Row[]> {
  const set = makeSet(SET.name, SET.size, SET.family);
  const words = openDatapath(kernel(), 'slc_read_clock', {
    create: { slc_clock: 1, slc_confirm: SLC_LIMITS.CONFIRM_WORDS },
  });
  await words.load();
  const confirm = words.map('slc_confirm');
  const deadlines = ConfirmWords.over(confirm);
  const trace = hitTrace(set, new Scan(set));
  const generator = await Generator.open(trace.packets, { replay: true });
  const rows: Row[] = [];
  try {
    for (const place of placesOf(rulesetOf(set, 'mixed'))) rows.push(...(await rowsOf(place)));
    return rows;
  } finally {
    generator.close();
    deadlines.close();
    for (const handle of [confirm, words]) handle.close();
  }

  async function rowsOf({ name, now, before, other, otherwise }: Place): Promise<Row[]> {
    const load = (...trials: Trial[]): ReturnType<typeof loadAlone> =>
      loadAlone(compile(now, undefined, trials), { confirm });
    const none = await load();
    const beside = await load({ previous: other, word: OTHER });
    const waiting = await load({ previous: sectionNow(before, name)!, word: OWN });
    try {
      const start = kernel().bootTimeNs();
      deadlines.set(OTHER, start + HOUR_NS);
      const passes = (row: number): boolean => (row === NO_ROW ? otherwise : set.rules[row].action === 'allow');
      const passedBefore = (row: number): boolean => (row === NO_ROW ? otherwise : !passes(row));
      const states = [
        { state: 'none waits', program: none, deadline: 0n, passes },
        { state: 'another waits', program: beside, deadline: 0n, passes },
        { state: 'waits', program: waiting, deadline: start + HOUR_NS, passes },
        { state: 'over', program: waiting, deadline: start, passes: passedBefore },
      ];
      let checked = 0;
      for (const { state, program, deadline, passes: expected } of states) {
        deadlines.set(OWN, deadline);
        checked = await requireAnswers(`${name}, ${state}`, program, trace, expected);
      }
      const subjects = states.map(({ program, deadline }): Subject => (count) => {
        deadlines.set(OWN, deadline);
        return generator.replay(program, count);
      });
      const measured = await measureRounds([(count) => generator.replay(floors.drop, count), ...subjects], rounds);
      return states.map(({ state }, i) => {
        const added = measured.ns[i + 1] - measured.ns[1];
        const note = i === 0 ? '' : `${added < 0 ? '' : '+'}${added.toFixed(1)} ns to none that waits`;
        const subject = `${name === 'own' ? 'server' : name}, ${state}`;
        const known = { subject, set: SET.name, family: SET.family, rules: SET.size, traffic: 'hit', checked } as const;
        return rowOf({ ...known, mode: 'test-run', ...packetFigures(measured, i + 1), note });
      });
    } finally {
      for (const program of [none, beside, waiting]) program.close();
    }
  }
}
