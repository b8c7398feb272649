/** The benchmark's own judge and sets: a wrong scan would pass a wrong image. */
import { evaluate } from '../../../src/model/evaluate';
import type { Ruleset } from '../../../src/model/ruleset';
import { parseRuleset } from '../../../src/parse/parse';
import { idOfRow, rowCount, rulesetOf, textOf } from '../../bench/sets/bench-set';
import { makeSet, SET_NAMES } from '../../bench/sets/catalogue';
import { NO_ROW, Scan } from '../../bench/sets/scan';
import { hitTrace, missTrace, type Trace } from '../../bench/sets/trace';

const SIZE = 60;
const LOOKED_AT = 200;
const MACS = { from: '02:00:00:00:00:01', to: '02:00:00:00:00:02' };
const CASES = SET_NAMES.flatMap((name) => [4, 6].map((family) => [name, family as 4 | 6] as const));

describe.each(CASES)('set %s over IPv%i', (name, family) => {
  const set = makeSet(name, SIZE, family);
  const scan = new Scan(set);
  const ruleset = rulesetOf(set, 'mixed');

  function disagreements({ packets, rows }: Trace): string[] {
    const found: string[] = [];
    const frame = new Uint8Array(packets.frameBytes);
    for (let i = 0; i < LOOKED_AT; i++) {
      packets.writeFrame(frame, 0, i, MACS);
      const { rule, tier } = evaluate(ruleset, frame);
      const row = rows[i] === NO_ROW ? null : idOfRow(set, rows[i]);
      if (rule !== row || (tier !== '7' && tier !== '9')) found.push(`${i}: ${row} by the scan, ${rule} in ${tier}`);
    }
    return found;
  }

  it('has a scan that says what the model says', () => {
    const trace = hitTrace(set, scan, 20 * LOOKED_AT);
    expect(disagreements(trace)).toEqual([]);
    const targets = set.rules.length + (set.list?.length ?? 0);
    expect(trace.packets.count % targets).toBe(0);
    expect(trace.rows).not.toContain(NO_ROW);
  });

  it('has packets that match nothing, or says that it has none', () => {
    const trace = missTrace(set, scan, LOOKED_AT);
    if (trace) expect(disagreements(trace)).toEqual([]);
    else expect(name).toBe('crossing');
  });

  it('is the same every time, and all different', () => {
    expect(makeSet(name, SIZE, family)).toEqual(set);
    expect(new Set(set.rules.map((rule) => JSON.stringify({ ...rule, action: '' }))).size).toBe(set.rules.length);
  });

  it.each(['lines', 'objects'] as const)('can be written as %s and read back', (writing) => {
    if (set.list) {
      expect(textOf(set, writing, { link: 'eth0' })).toContain('deny from blocked');
      return;
    }
    const { ruleset: read, diagnostics } = parseRuleset(textOf(set, writing, { link: 'eth0' }), {
      file: 'bench.yaml',
      strict: false,
    });
    expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
    const rowsOf = ({ inbound, servers = [] }: Ruleset): unknown[] =>
      [inbound, ...servers].flatMap(({ name, rules }) => rules.map(({ match, action }) => ({ name, match, action })));
    expect(rowsOf(read!)).toHaveLength(rowCount(set));
    expect(rowsOf(read!)).toEqual(rowsOf(ruleset));
    const places = ({ servers = [] }: Ruleset): unknown[] =>
      servers.map(({ name, addresses, ports, udp }) => ({ name, addresses, ports, udp }));
    expect(places(read!)).toEqual(places(ruleset));
  });
});
