import { natOfDoor } from '../../../src/migrate/nat-door';
import type { NatRule } from '../../../src/migrate/nat-rule';
import { PROTOCOL } from '../../../src/model/protocol';
import { prefix } from '../../support/findings';

const rule = (rest: Partial<NatRule>): NatRule => ({
  ...{ to: [prefix('192.0.2.10')], family: 4, protocols: [PROTOCOL.TCP], target: '10.0.0.1', words: '' },
  ...rest,
});
const ports = (first: number, last = first) => [{ first, last }];
const at = (rules: readonly NatRule[], port: number, address = '192.0.2.10', protocol: number = PROTOCOL.TCP) => {
  const { family, words } = prefix(address);
  return natOfDoor(rules, () => [prefix('192.0.2.77')], { family, address: words, protocol, port });
};

test('the first rule about it decides, with the port where that is one', () => {
  const rules = [
    rule({ ports: ports(8080), targetPort: 80 }),
    rule({ ports: ports(8000, 8099), target: '10.0.0.2' }),
    rule({ ports: ports(9000, 9099), target: '10.0.0.3', targetPort: 90 }),
    rule({ to: 'own', target: '10.0.0.4' }),
  ];
  expect(at(rules, 8080)).toEqual({ target: '10.0.0.1', port: 80 });
  expect(at(rules, 8081)).toEqual({ target: '10.0.0.2', port: 8081 });
  expect(at(rules, 9001)).toEqual({ target: '10.0.0.3', port: null });
  expect(at(rules, 1)).toBeNull();
  expect(at(rules, 8080, '192.0.2.10', PROTOCOL.UDP)).toBeNull();
  expect(at(rules, 1, '192.0.2.77')).toEqual({ target: '10.0.0.4', port: 1 });
  expect(at(rules, 8080, '2001:db8::1')).toBeNull();
});
