import { analyse } from '../../../src/analyse/analyse';
import type { Diagnostic } from '../../../src/diagnostics/diagnostic';
import { CODES } from '../../../src/diagnostics/codes';
import type { Ruleset } from '../../../src/model/ruleset';
import type { Action } from '../../../src/model/verdict';
import { at, rule, rules, ruleset, type RuleText } from '../../support/findings';

const only = (set: Ruleset, code: string): Diagnostic[] => {
  const findings = analyse(set);
  for (const finding of findings) expect(Object.keys(CODES)).toContain(finding.code);
  return findings.filter((finding) => finding.code === code);
};

test('a tidy ruleset has no findings', () => {
  const list = rules(['allow', { from: ['203.0.113.0/24'], port: [8000] }], ['deny', { port: [8000], proto: [6] }]);
  const ssh = { ports: [22], from: 'anyone' as const, source: at(80) };
  expect(analyse(ruleset(list, { inbound: { ssh } }))).toEqual([]);
});

describe('lint/said-by-ssh', () => {
  const ssh = { ports: [22], from: 'anyone' as const, source: at(80) };
  const found = (list: readonly (readonly [Action, RuleText?])[], from: 'anyone' | 'rules' = 'anyone'): unknown[] =>
    analyse(ruleset(rules(...list), { inbound: { ssh: { ...ssh, from } } }))
      .filter(({ code }) => code === 'lint/said-by-ssh')
      .map(({ source, hint }) => [source.line, hint]);
  const allow = { from: ['203.0.113.0/24'], port: [22], proto: [6] };

  test('an allow of SSH where everybody is let in changes nothing', () => {
    expect(found([['allow', allow]])).toEqual([
      [1, 'sluice delete 1; or, where nobody else is meant: sluice ssh from rules'],
    ]);
  });

  test('it does where a deny stands between, where it is about more, and where only rows let in', () => {
    expect(
      found([
        ['allow', allow],
        ['deny', { from: ['203.0.0.0/16'] }],
      ]),
    ).toEqual([]);
    expect(found([['allow', { ...allow, port: [22, 23] }]])).toEqual([]);
    expect(found([['limit', allow]])).toEqual([]);
    // The usual pair: these are not counted, all others are.
    expect(
      found([
        ['allow', allow],
        ['limit', { port: [22], proto: [6] }],
      ]),
    ).toEqual([]);
    expect(found([['allow', allow]], 'rules')).toEqual([]);
  });
});

describe('lint/ipv4-only-any', () => {
  const denied = rule(1, 'deny', {
    from: ['0.0.0.0/0'],
    port: [14511],
    ipv4AnyFrom: true,
    text: 'deny from 0.0.0.0/0 to any port 14511',
  });
  const check = (set: Ruleset): Diagnostic[] => only(set, 'lint/ipv4-only-any');

  test('a deny that IPv6 walks around is an error, with the line to write', () => {
    expect(check(ruleset([denied], { inbound: { default: 'allow' } }))).toEqual([
      {
        code: 'lint/ipv4-only-any',
        severity: 'error',
        message: '"0.0.0.0/0" in rule 1 is IPv4 only: IPv6 packets to the same place get another verdict',
        source: at(1),
        notes: [{ message: 'tcp from 2001:db8::9 port 40000 to 2001:db8::9 port 14511 gets "allow" from the default' }],
        hint: 'write any: deny from any to any port 14511 (or add "family: ipv4" if only IPv4 is meant)',
      },
    ]);
  });

  test('nothing where IPv6 gets the same verdict from the default', () => {
    expect(check(ruleset([denied]))).toEqual([]);
  });

  test('a later allow, or the SSH row, may be what lets IPv6 in', () => {
    const allow = rule(2, 'allow', { from: ['2001:db8::/32'], port: [[14000, 15000]] });
    expect(check(ruleset([denied, allow]))).toMatchObject([
      { severity: 'error', notes: [{ message: expect.stringContaining('from rule 2') as string }] },
    ]);
    const ssh = { ports: [14511], from: 'anyone' as const, source: at(80) };
    expect(check(ruleset([denied], { inbound: { ssh } }))).toMatchObject([
      { notes: [{ message: expect.stringContaining('from the SSH row') as string }] },
    ]);
  });

  test('what an earlier rule decides, it would decide as well if "any" were written', () => {
    const allow = rule(1, 'allow', { from: ['2001:db8::/32'], port: [14511] });
    expect(check(ruleset([allow, { ...denied, source: at(2) }]))).toEqual([]);
  });

  test('a later deny for IPv6 is the other half', () => {
    const other = rule(2, 'deny', { from: ['::/0'], port: [14511] });
    expect(check(ruleset([denied, other], { inbound: { default: 'allow' } }))).toEqual([]);
    const half = rule(2, 'deny', { from: ['::/0'], port: [14511], proto: [6] });
    expect(check(ruleset([denied, half], { inbound: { default: 'allow' } }))).toMatchObject([
      { notes: [{ message: expect.stringMatching(/^udp /) as string }] },
    ]);
  });

  test('an allow is a warning', () => {
    const allow = rule(1, 'allow', { from: ['0.0.0.0/0'], port: [80], ipv4AnyFrom: true });
    expect(check(ruleset([allow]))).toMatchObject([{ severity: 'warning' }]);
  });

  test('an IPv4 destination leaves no IPv6 packet to the same place', () => {
    const only4 = rule(1, 'deny', { from: ['0.0.0.0/0'], to: ['198.51.100.7'], port: [80], ipv4AnyFrom: true });
    expect(check(ruleset([only4], { inbound: { default: 'allow' } }))).toEqual([]);
  });

  test('both sides are corrected where both were written so', () => {
    const text = 'deny from 0.0.0.0/0 to 0.0.0.0/0 port 80';
    const both = rule(1, 'deny', {
      from: ['0.0.0.0/0'],
      to: ['0.0.0.0/0'],
      port: [80],
      ipv4AnyFrom: true,
      ipv4AnyTo: true,
      text,
    });
    expect(check(ruleset([both], { inbound: { default: 'allow' } }))[0].hint).toContain('deny from any to any port 80');
  });

  test('"family: ipv4" says that it was meant', () => {
    const meant = rule(1, 'deny', { from: ['0.0.0.0/0'], port: [80], family: 4 });
    expect(analyse(ruleset([meant], { inbound: { default: 'allow' } }))).toEqual([]);
  });
});

test('lint/missing-twin: ::/0 alone, where IPv4 gets another verdict', () => {
  const six = rule(1, 'allow', { from: ['::/0'], port: [22, 443], proto: [6] });
  expect(only(ruleset([six]), 'lint/missing-twin')).toMatchObject([
    {
      severity: 'note',
      notes: [{ message: expect.stringMatching(/^tcp from 192\.0\.2\.9 .* gets "deny"/) as string }],
    },
  ]);
  const four = rule(2, 'allow', { from: ['0.0.0.0/0'], port: [22, 443], proto: [6], ipv4AnyFrom: true });
  expect(analyse(ruleset([six, four]))).toEqual([]);
});

describe('lint/icmp-essentials', () => {
  const check = (set: Ruleset): Diagnostic[] => only(set, 'lint/icmp-essentials');
  const echo = rule(1, 'deny', { proto: [1], icmp: [{ type: 8 }], from: ['192.0.2.0/24'] });

  test('a rule about nothing but what tier 5 passes is an error', () => {
    expect(check(ruleset([echo]))).toMatchObject([{ severity: 'error', hint: 'icmp: rules', source: { line: 1 } }]);
    const errors = rule(1, 'allow', { proto: [58], icmp: [{ type: 2 }, { type: 128 }] });
    expect(check(ruleset([errors]))).toMatchObject([{ severity: 'error' }]);
  });

  test('not when the tier is off', () => {
    expect(check(ruleset([echo], { icmp: 'rules' }))).toEqual([]);
  });

  test('a rule about more ICMP than that is a note, about other types nothing', () => {
    expect(check(ruleset([rule(1, 'deny', { proto: [1] })]))).toMatchObject([{ severity: 'note' }]);
    expect(check(ruleset([rule(1, 'deny', { proto: [1], icmp: [{ type: 13 }] })]))).toEqual([]);
    expect(check(ruleset([rule(1, 'deny', { proto: [1], icmp: [{ type: 8 }, { type: 13 }] })]))).toMatchObject([
      { severity: 'note' },
    ]);
  });

  test('a ban of an address does not stop its pings: one note a ruleset', () => {
    const bans = rules(['deny', { from: ['192.0.2.1'] }], ['deny', { from: ['192.0.2.2'] }], ['allow', {}]);
    expect(check(ruleset(bans))).toMatchObject([
      { severity: 'note', source: { line: 1 }, message: expect.stringContaining('does not stop pings') as string },
    ]);
    expect(check(ruleset(rules(['deny', { port: [22] }], ['allow', {}])))).toEqual([]);
  });
});

describe('lint/no-ssh', () => {
  const check = (set: Ruleset): Diagnostic[] => only(set, 'lint/no-ssh');
  const ssh = (from: 'anyone' | 'rules', ports = [22]) => ({ ports, from, source: at(80) });

  test('default deny without a way in', () => {
    expect(check(ruleset(rules(['allow', { port: [80] }])))).toMatchObject([
      { severity: 'warning', source: { line: 1, length: 0 } },
    ]);
    expect(check(ruleset([]))).toMatchObject([{ source: { file: '' } }]);
  });

  test('an SSH row, an allow for one source or default allow is a way in', () => {
    expect(check(ruleset([], { inbound: { ssh: ssh('anyone') } }))).toEqual([]);
    expect(check(ruleset(rules(['allow', { from: ['203.0.113.9'], port: [[20, 30]] }])))).toEqual([]);
    expect(check(ruleset([], { inbound: { default: 'allow' } }))).toEqual([]);
  });

  test('UDP 22 is none, nor is an allow below a deny', () => {
    expect(check(ruleset(rules(['allow', { port: [22], proto: [17] }])))).toHaveLength(1);
    expect(check(ruleset(rules(['deny', { port: [22] }], ['allow', { port: [22] }])))).toHaveLength(1);
  });

  test('the ports are those of the SSH row', () => {
    const set = ruleset(rules(['allow', { port: [22] }]), { inbound: { ssh: ssh('rules', [2222]) } });
    expect(check(set)).toMatchObject([
      { source: { line: 80 }, message: expect.stringContaining('2222/tcp') as string },
    ]);
  });
});

test('lint/broad-allow: everybody on every port, but not where the default allows anyway', () => {
  const broad = [rule(1, 'allow')];
  expect(only(ruleset(broad), 'lint/broad-allow')).toHaveLength(1);
  expect(only(ruleset(broad, { inbound: { default: 'allow' } }), 'lint/broad-allow')).toEqual([]);
  expect(only(ruleset([rule(1, 'allow', { from: ['10.0.0.0/8'] })]), 'lint/broad-allow')).toEqual([]);
  expect(only(ruleset([rule(1, 'allow', { proto: [47] })]), 'lint/broad-allow')).toEqual([]);
});

test('lint/source-port-trust: an allow for a source port from everybody', () => {
  expect(only(ruleset([rule(1, 'allow', { fromPort: [53] })]), 'lint/source-port-trust')).toHaveLength(1);
  expect(only(ruleset([rule(1, 'allow', { fromPort: [53], from: ['192.0.2.53'] })]), 'lint/source-port-trust')).toEqual(
    [],
  );
  expect(only(ruleset([rule(1, 'deny', { fromPort: [53] })]), 'lint/source-port-trust')).toEqual([]);
});

test('lint/never-matches: says which field leaves nothing', () => {
  const why = (text: Parameters<typeof rule>[2]): string | undefined =>
    only(ruleset([rule(1, 'deny', text)]), 'lint/never-matches').map(({ message }) => message.replace(/^.*: /, ''))[0];
  expect(why({ from: [] })).toBe('its "from" is an empty list, and an empty list is nobody');
  expect(why({ port: [] })).toBe('its "port" is an empty list, and an empty list is nobody');
  expect(why({ proto: [1], icmp: [] })).toBe('its "icmp-type" is an empty list');
  expect(why({ from: ['10.0.0.0/8'], to: ['2001:db8::/32'] })).toBe(
    'its source, destination and family leave no packet that is IPv4 or IPv6 throughout',
  );
  expect(why({ family: 6, from: ['10.0.0.0/8'] })).toContain('family');
  expect(why({ proto: [47], port: [1] })).toBe('its protocol has no such ports or types in that family');
  expect(why({ from: [], enabled: false })).toBeUndefined();
});
