/** Tier 8 (SPEC §4): what the SSH row decides, by whom it lets in and by the default. */
import { evaluatePacket } from '../../../src/model/evaluate';
import type { Section } from '../../../src/model/ruleset';
import { at, prefix, rule, ruleset } from '../../support/findings';

const packet = (protocol: number, from = '203.0.113.1') => ({
  ...({ family: 4, source: prefix(from).words, destination: prefix('192.0.2.1').words } as const),
  ...{ protocol, sourcePort: 40000, destinationPort: 22, hopLimit: 64, fragment: 'none' as const },
});

test.each<['anyone' | 'rules', Section['default'], string, string]>([
  ['anyone', 'deny', 'allow', '8'],
  ['anyone', 'allow', 'allow', '8'],
  ['rules', 'deny', 'deny', '9'],
  ['rules', 'reject', 'reject', '9'],
  // Whatever the default says.
  ['rules', 'allow', 'deny', '8'],
])('from %s, default %s: %s in tier %s', (from, fallback, verdict, tier) => {
  const rows = [rule(1, 'allow', { from: ['198.51.100.0/24'], port: [22], proto: [6] })];
  const set = ruleset(rows, { inbound: { default: fallback, ssh: { ports: [22], from, source: at(9) } } });
  expect(evaluatePacket(set, packet(6))).toMatchObject({ verdict, tier });
  expect(evaluatePacket(set, packet(6, '198.51.100.7'))).toMatchObject({ verdict: 'allow', tier: '7', rule: 'r1' });
  expect(evaluatePacket(set, packet(17))).toMatchObject({ verdict: fallback, tier: '9' });
});
