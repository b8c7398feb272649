import { formatTarget } from '../../../src/model/format-match';
import { formatProtocol, PROTOCOL_NUMBERS } from '../../../src/model/protocol-names';
import { parseProtocol } from '../../../src/parse/protocols';
import { match } from '../../support/findings';

test('a table names a protocol as a rule writes it', () => {
  expect(formatTarget(match({ proto: [47] }))).toBe('gre');
  expect(formatTarget(match({ proto: [6, 132], port: [80, [8000, 8080]] }))).toBe('80,8000:8080/tcp,sctp');
  expect(formatTarget(match({ port: [22] }))).toBe('22');
  expect(formatTarget(match({ proto: [200] }))).toBe('200');
});

test('every number has one name that is read back as it', () => {
  for (const [number] of PROTOCOL_NUMBERS) expect(parseProtocol(formatProtocol(number))).toBe(number);
  expect(new Set(PROTOCOL_NUMBERS.map(([number]) => number)).size).toBe(PROTOCOL_NUMBERS.length);
});
