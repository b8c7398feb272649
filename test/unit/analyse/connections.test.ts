import { explainByModel } from '../../../src/analyse/explain';
import { findLockout, type LiveConnection } from '../../../src/analyse/lockout';
import type { FlowKey, Packet } from '../../../src/model/packet';
import type { Ruleset } from '../../../src/model/ruleset';
import { parseRuleset } from '../../../src/parse/parse';
import { at, prefix, rules, ruleset } from '../../support/findings';

const key = (source: string, port: number): FlowKey => ({
  family: source.includes(':') ? 6 : 4,
  source: prefix(source).words,
  destination: prefix(source.includes(':') ? '2001:db8::1' : '198.51.100.7').words,
  protocol: 6,
  sourcePort: 51514,
  destinationPort: port,
});
const session = (source: string, port = 22): LiveConnection => ({
  description: 'your session',
  key: key(source, port),
});

describe('lock-out', () => {
  const ssh = { ports: [22], from: 'anyone' as const, source: at(80) };

  test('connections that are let in are no findings', () => {
    expect(findLockout(ruleset([], { inbound: { ssh } }), [session('203.0.113.9'), session('2001:db8:7::50')])).toEqual(
      [],
    );
  });

  test('names the rule that cuts, and the row that mends it', () => {
    const set = ruleset(rules(['allow', { port: [80] }], ['deny', { from: ['203.0.113.0/24'] }]), { inbound: { ssh } });
    const findings = findLockout(set, [session('203.0.113.9'), session('198.51.100.9')]);
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatchObject({
      rule: { id: 'r2', number: 2, rule: { source: { line: 2 } } },
      message:
        'your session from 203.0.113.9 to port 22 would be denied by rule 2 "deny from 203.0.113.0/24 to any" (r2)',
      fix: 'write as the first row of inbound: allow from 203.0.113.9 to any port 22 proto tcp',
    });
  });

  test('names the default where no rule does', () => {
    expect(findLockout(ruleset([]), [session('2001:db8:7::50', 2222)])).toMatchObject([
      {
        rule: null,
        decision: { tier: '9', verdict: 'deny' },
        message: 'your session from 2001:db8:7::50 to port 2222 would be denied by the default "deny"',
        fix: 'write as the first row of inbound: allow from 2001:db8:7::50 to any port 2222 proto tcp',
      },
    ]);
  });

  test.each([
    ['inbound: { default: deny, rules: [deny 22/tcp] }', 'inbound: { default: deny, rules: [FIX, deny 22/tcp] }'],
    ['guard: { rules: [deny from any] }', 'guard: { FIX, rules: [deny from any] }'],
    // The request comes in, and its answer would not go out.
    [
      'inbound: { default: allow }\nguard: { rules: [deny out to any] }',
      'inbound: { default: allow }\nguard: { FIX, rules: [deny out to any] }',
    ],
  ])('what it says keeps the connection: %s', (rows, mended) => {
    const read = (text: string): Ruleset => parseRuleset(`version: 1\n${text}\n`, { file: 'r.yaml' }).ruleset!;
    for (const source of ['203.0.113.9', '2001:db8:7::50']) {
      const [{ fix }] = findLockout(read(rows), [session(source)]);
      const row = fix.replace(/^write (?:as the first row of inbound|under guard): /, '');
      expect(findLockout(read(mended.replace('FIX', row)), [session(source)])).toEqual([]);
    }
  });
});

describe('explain', () => {
  const packet = (source: string, port: number): Packet => ({ ...key(source, port), hopLimit: 64, fragment: 'none' });
  const list = rules(
    ['deny', { port: [22], enabled: false }],
    ['allow', { proto: [17] }],
    ['allow', { from: ['10.0.0.0/8'], port: [22] }],
    ['deny', { family: 6 }],
    ['allow', { port: [80] }],
    ['deny', { from: ['203.0.113.0/24'] }],
    ['allow', {}],
  );

  test('each earlier rule says which field did not hold, up to the deciding one', () => {
    const { decision, steps } = explainByModel(ruleset(list), packet('203.0.113.9', 22));
    expect(decision).toMatchObject({ tier: '7', verdict: 'deny', rule: 'r6' });
    expect(steps.map(({ number, mismatch }) => [number, mismatch])).toEqual([
      [1, 'enabled'],
      [2, 'proto'],
      [3, 'from'],
      [4, 'family'],
      [5, 'port'],
      [6, null],
    ]);
    expect(steps[2]).toMatchObject({ rule: 'r3', text: 'allow from 10.0.0.0/8 to any port 22' });
  });

  test('where the default decides, every rule is asked', () => {
    const { decision, steps } = explainByModel(ruleset(list.slice(0, 5)), packet('203.0.113.9', 22));
    expect(decision.tier).toBe('9');
    expect(steps.map(({ mismatch }) => mismatch)).toEqual(['enabled', 'proto', 'from', 'family', 'port']);
  });

  test('where a tier above decides, none is', () => {
    const ping: Packet = { ...packet('203.0.113.9', 0), protocol: 1, sourcePort: 0, icmp: { type: 8, code: 0 } };
    expect(explainByModel(ruleset(list), ping)).toMatchObject({ decision: { tier: '5' }, steps: [] });
  });
});
