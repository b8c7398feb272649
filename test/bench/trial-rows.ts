/**
 * What servers that wait to be confirmed by themselves cost: the ingress program over the same rows as those of a server,
 * while none waits, while another one does (its program looks at each server's confirm word), while this one does (the
 * clock is read), and past its deadline before anybody has tidied up.
 */
import { SLC_LIMITS } from '../../src/abi/layout.gen';
import { compile } from '../../src/compile/compile';
import { openDatapath } from '../../src/kernel/datapath';
import { kernel } from '../../src/kernel/native';
import { ConfirmWords } from '../../src/load/confirm-words';
import type { Ruleset, Server } from '../../src/model/ruleset';
import type { Trial } from '../../src/model/trial';
import type { Floors } from './measure/floors';
import { Generator } from './measure/generator';
import { loadAlone } from './measure/product';
import { measureRounds, type Subject } from './measure/rounds';
import { packetFigures } from './product-rows';
import { type Row, rowOf } from './row';
import { rulesetOf } from './sets/bench-set';
import { makeSet } from './sets/catalogue';
import { Scan } from './sets/scan';
import { hitTrace } from './sets/trace';

const SET = { name: 'acl1', size: 1000, family: 4 } as const;
const HOUR_NS = 3_600_000_000_000n;
const SOURCE = { file: 'bench.yaml', line: 1, column: 1, offset: 0, length: 0 };
/** Words of this server, and of the other one. */
const [OWN, OTHER] = [1, 2];

/** A row a state; in the note what it adds to the one in which nothing waits. */
export async function trialRows(floors: Floors, rounds: number): Promise<Row[]> {
  const set = makeSet(SET.name, SET.size, SET.family);
  const plain = rulesetOf(set, 'deny');
  const own: Server = {
    ...{ ...plain.inbound, name: 'own', source: SOURCE },
    addresses: [
      { family: 4, words: [0], length: 1 },
      { family: 4, words: [0x80000000], length: 1 },
    ],
  };
  const other: Server = {
    ...own,
    name: 'other',
    addresses: [{ family: 6, words: [0, 0, 0, 0], length: 0 }],
    rules: [],
  };
  const ruleset: Ruleset = { ...plain, inbound: { ...plain.inbound, rules: [] }, servers: [other, own] };
  const words = openDatapath(kernel(), 'slc_read_clock', {
    create: { slc_clock: 1, slc_confirm: SLC_LIMITS.CONFIRM_WORDS },
  });
  await words.load();
  const confirm = words.map('slc_confirm');
  const deadlines = ConfirmWords.over(confirm);
  const load = (...trials: Trial[]): ReturnType<typeof loadAlone> =>
    loadAlone(compile(ruleset, undefined, trials), { confirm });
  const none = await load();
  const beside = await load({ previous: other, word: OTHER });
  const waiting = await load({ previous: own, word: OWN });
  const generator = await Generator.open(hitTrace(set, new Scan(set)).packets, { replay: true });
  try {
    const now = kernel().bootTimeNs();
    deadlines.set(OTHER, now + HOUR_NS);
    const until = (deadline: bigint): Subject => {
      return (count) => {
        deadlines.set(OWN, deadline);
        return generator.replay(waiting, count);
      };
    };
    const states: Record<string, Subject> = {
      'server, none waits': (count) => generator.replay(none, count),
      'server, another waits': (count) => generator.replay(beside, count),
      'server, waits': until(now + HOUR_NS),
      'server, over': until(now),
    };
    const measured = await measureRounds(
      [(count) => generator.replay(floors.drop, count), ...Object.values(states)],
      rounds,
    );
    return Object.keys(states).map((subject, i) => {
      const added = measured.ns[i + 1] - measured.ns[1];
      const note = i === 0 ? '' : `${added < 0 ? '' : '+'}${added.toFixed(1)} ns to none that waits`;
      const known = { subject, set: SET.name, family: SET.family, rules: SET.size, traffic: 'hit' } as const;
      return rowOf({ ...known, mode: 'test-run', ...packetFigures(measured, i + 1), note });
    });
  } finally {
    generator.close();
    deadlines.close();
    for (const handle of [none, beside, waiting, confirm, words]) handle.close();
  }
}
