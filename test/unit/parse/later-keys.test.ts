import { findings } from './support';

describe('keys of later versions are never taken in silence', () => {
  test.each([
    ['guard: { keep-reachable: [{ port: 22, server: a }] }', 'error parse/not-supported-yet 2:39+6'],
    ['inbound: { rules: [{ action: deny, in: eth0 }] }', 'error parse/not-supported-yet 2:36+2'],
  ])('%s', (line, expected) => expect(findings(`version: 1\n${line}\n`)).toEqual([expected]));

  test.each([
    ['guard: {}'],
    ['servers: {}'],
    ['outbound: { default: allow, rules: [] }'],
    ['logging: "off"'],
    ['logging: no'],
    ['boot: closed'],
    ['inbound: { udp: true }'],
    ['inbound: { udp: off }'],
    ['inbound: { rules: [{ action: deny, log: false }] }'],
    ['inbound:'],
    ['inbound: { rules: }'],
  ])('%s already holds', (line) => expect(findings(`version: 1\n${line}\n`)).toEqual([]));
});
