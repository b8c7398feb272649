import { ANY, type Match } from '../../../src/model/match';
import type { Prefix } from '../../../src/model/prefix';
import { makeNames } from '../../../src/parse/names';
import { parseRuleLine } from '../../../src/parse/rule-line';

const net = (word: number, length: number): Prefix => ({ family: 4, words: [word], length });
const OFFICE = [net(0xcb007100, 24), { family: 6 as const, words: [0x20010db8, 0x00070000, 0, 0], length: 48 }];
const names = makeNames({
  sets: new Map([
    ['office', OFFICE],
    ['nobody', []],
  ]),
  services: new Map([
    ['metrics', { protocols: [6], ports: [{ first: 9100, last: 9100 }] }],
    ['dns', { protocols: [6, 17], ports: [{ first: 53, last: 53 }] }],
    ['https', { protocols: [6, 17], ports: [{ first: 443, last: 443 }] }],
    ['http', { protocols: [6], ports: [{ first: 80, last: 80 }] }],
    ['ntp', { protocols: [17], ports: [{ first: 123, last: 123 }] }],
  ]),
  sshPorts: [2222, 14541],
});

describe('rows that are read', () => {
  test.each([
    // ufw's simple form
    ['allow 8000/tcp', 'allow 8000/tcp'],
    ['ALLOW 8000/TCP', 'allow 8000/tcp'],
    ['allow 8000', 'allow 8000'],
    ['deny 8000:8080', 'deny 8000:8080'],
    ['deny 8000-8080/udp', 'deny 8000:8080/udp'],
    ['allow 80,443,8000:8080/tcp', 'allow 80,443,8000:8080/tcp'],
    ['allow 443, 80 ,22', 'allow 22,80,443'],
    ['allow 80,80,79:81', 'allow 79:81'],
    ['allow in 22/tcp', 'allow 22/tcp'],
    ['allow incoming 22/tcp', 'allow 22/tcp'],
    ['allow ssh', 'allow 2222,14541/tcp'],
    ['allow SSH', 'allow 2222,14541/tcp'],
    ['allow metrics', 'allow 9100/tcp'],
    ['allow dns', 'allow 53'],
    ['allow dns/udp', 'allow 53/udp'],
    ['allow http,metrics', 'allow 80,9100/tcp'],
    ['allow tcp', 'allow from any proto tcp'],
    ['allow any', 'allow from any'],
    ['allow 14141 tcp', 'allow 14141/tcp'],
    ['ufw allow 22', 'allow 22'],
    ['sudo ufw allow 22', 'allow 22'],
    // what is answered or counted
    ['reject 113/tcp', 'reject 113/tcp'],
    ['reject from office', 'reject from office'],
    ['limit ssh', 'limit 2222,14541/tcp'],
    ['limit 22/tcp 6/30s', 'limit 22/tcp'],
    ['limit 8000/tcp 20/10s', 'limit 8000/tcp 20/10s'],
    ['LIMIT 8000/tcp 20/600S Per /24 Verdict Deny', 'limit 8000/tcp 20/10m per /24 verdict deny'],
    ['limit 20/60min from office to any port 22 proto tcp', 'limit from office to any port 22 proto tcp 20/1h'],
    ['limit from 10.0.0.0/8 per /32,/64', 'limit from 10.0.0.0/8'],
    ['limit 53/udp per /128', 'limit 53/udp per /32,/128'],
    ['limit tcp 2/1s', 'limit from any proto tcp 2/1s'],
    // ufw's full form
    ['deny from 10.0.0.0/8 to any port 22 proto tcp', 'deny from 10.0.0.0/8 to any port 22 proto tcp'],
    ['allow proto tcp from 10.0.0.0/8 to any port 22', 'allow from 10.0.0.0/8 to any port 22 proto tcp'],
    ['allow from any to any port 22', 'allow 22'],
    ['allow from any', 'allow from any'],
    ['allow from any to any', 'allow from any'],
    ['deny to any port 14511', 'deny 14511'],
    ['allow to 198.51.100.7', 'allow to 198.51.100.7'],
    ['allow from any port 53 to any', 'allow from any port 53'],
    ['allow from 10.0.0.1 port ntp to any port ntp', 'allow from 10.0.0.1 port 123 to any port 123 proto udp'],
    ['allow from office to any port metrics', 'allow from office to any port 9100 proto tcp'],
    ['allow from office,10.0.0.0/8', 'allow from office,10.0.0.0/8'],
    ['allow from 2001:db8:: to ::1', 'allow from 2001:db8:: to ::1'],
    ['allow from any to any port 22/tcp', 'allow 22/tcp'],
    ['allow proto gre from 10.0.0.1', 'allow from 10.0.0.1 proto gre'],
    ['allow proto 253', 'allow from any proto 253'],
    ['allow proto tcp,udp', 'allow from any proto tcp,udp'],
    ['allow proto tcp,udp to any port 53', 'allow 53'],
    ['allow proto sctp to any port 5060', 'allow 5060/sctp'],
    ['allow proto any to any port 53', 'allow 53'],
    ['allow 22 family ipv6', 'allow to any port 22 family ipv6'],
    ['allow icmp', 'allow from any proto icmp'],
    ['allow proto icmp icmp-type echo-request', 'allow from any proto icmp icmp-type echo-request'],
    ['allow proto icmp icmp-type 8/0,3/4', 'allow from any proto icmp icmp-type 8/0,fragmentation-needed'],
    ['allow icmp-type packet-too-big', 'allow from any proto icmpv6 icmp-type packet-too-big'],
    ['allow icmp-type timestamp-request', 'allow from any proto icmp icmp-type timestamp-request'],
    ['deny icmp-type 3 proto icmpv6', 'deny from any proto icmpv6 icmp-type time-exceeded'],
    ['deny icmp-type echo-request family ipv6', 'deny from any proto icmpv6 icmp-type echo-request family ipv6'],
    ['allow from none', 'allow from none'],
    ['allow from nobody', 'allow from nobody'],
    // dashboards
    ['1 Deny 0.0.0.0/0 Port 14141', 'deny 14141'],
    ['2. Allow 78.168.0.0/16 Port 14141', 'allow from 78.168.0.0/16 to any port 14141'],
    ['Allow 78.168.0.0/16 Port 14541', 'allow from 78.168.0.0/16 to any port 14541'],
    ['Deny 18.28.38.48', 'deny from 18.28.38.48'],
    ['Deny Anywhere Port 22', 'deny 22'],
    ['Allow office Port 14511/tcp', 'allow from office to any port 14511 proto tcp'],
    ['Allow 2001:db8::/32 Port 80,443', 'allow from 2001:db8::/32 to any port 80,443'],
  ])('%s', (text, canonical) => {
    const { row, findings } = parseRuleLine(text, names);
    expect(findings.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(row?.text).toBe(canonical);
    const again = parseRuleLine(canonical, names);
    expect(again.row?.match).toEqual(row!.match);
    expect(again.row?.text).toBe(canonical);
  });
});

test('fields of a match: what was not written is ANY, what is empty stays empty', () => {
  const match = (text: string): Match => parseRuleLine(text, names).row!.match;
  expect(match('allow from office to any port 22')).toEqual({
    family: ANY,
    protocols: [6, 17],
    from: OFFICE,
    to: ANY,
    fromPorts: ANY,
    toPorts: [{ first: 22, last: 22 }],
    icmpTypes: ANY,
  });
  expect(match('deny from nobody')).toMatchObject({ from: [], to: ANY, protocols: ANY });
  expect(match('deny proto icmp icmp-type 3/4')).toMatchObject({ protocols: [1], icmpTypes: [{ type: 3, code: 4 }] });
  expect(match('deny from 0.0.0.0/0 to any port 1')).toMatchObject({ from: [net(0, 0)] });
  expect(match('deny 0.0.0.0/0 port 1')).toMatchObject({ from: ANY });
});

test('a set is shared, not copied', () => {
  expect(parseRuleLine('deny from office', names).row!.match.from).toBe(OFFICE);
});

describe('how it was written', () => {
  test.each([
    ['deny from 0.0.0.0/0 to any port 1', { dashboardRow: false, ipv4AnyFrom: true, ipv4AnyTo: false }],
    ['deny to 0.0.0.0/0 port 1', { dashboardRow: false, ipv4AnyFrom: false, ipv4AnyTo: true }],
    ['deny from 0.0.0.0/0 family ipv4', { dashboardRow: false, ipv4AnyFrom: false, ipv4AnyTo: false }],
    ['deny from 0.0.0.0/0,::/0', { dashboardRow: false, ipv4AnyFrom: false, ipv4AnyTo: false }],
    ['deny from any', { dashboardRow: false, ipv4AnyFrom: false, ipv4AnyTo: false }],
    ['Deny 0.0.0.0/0 Port 1', { dashboardRow: true, ipv4AnyFrom: false, ipv4AnyTo: false }],
  ])('%s', (text, written) => {
    expect(parseRuleLine(text, names).row!.written).toEqual(written);
  });
});

test('comment, id and number are kept beside the match', () => {
  const { row, number, id } = parseRuleLine("7 allow from 10.0.0.1 id web-1 comment 'a: b # c'", names);
  expect(row).toMatchObject({ note: 'a: b # c', text: 'allow from 10.0.0.1' });
  expect(number).toMatchObject({ text: '7', start: 0, length: 1 });
  expect(id).toMatchObject({ text: 'web-1', start: 25 });
  expect(parseRuleLine('allow 22 comment of the web team', names).row!.note).toBe('of the web team');
  expect(parseRuleLine('allow 22 # not a comment clause', names).row!.note).toBeUndefined();
});

describe('findings that are not errors', () => {
  test.each([
    ['1 Deny 0.0.0.0/0 Port 14141', 'note', 'parse/dashboard-any', 7, 9],
    ['deny from 1.2.3.4 port 22', 'note', 'parse/source-port', 23, 2],
    ['allow from 10.0.0.1/8', 'warning', 'parse/host-bits', 11, 10],
    ['allow proto icmpv6 from 10.0.0.1', 'warning', 'parse/never-matches', 0, 32],
  ])('%s', (text, severity, code, start, length) => {
    const { row, findings } = parseRuleLine(text, names);
    expect(row).not.toBeNull();
    expect(findings).toEqual([expect.objectContaining({ severity, code, start, length })]);
  });
});

describe('rows that are refused', () => {
  test.each([
    ['', 'parse/action', 0, /allow or deny/],
    ['alow 22', 'parse/action', 0, /did you mean allow/],
    ['drop 22', 'parse/action', 0, /write deny/],
    ['accept 22', 'parse/action', 0, /write allow/],
    ['delete allow 22', 'parse/action', 0, /./],
    ['allow', 'parse/row', 0, /allow from any/],
    ['limit 22/tcp 1/10s', 'parse/limit', 13, /deny or reject/],
    ['limit 22/tcp 0/10s', 'parse/limit', 13, /deny or reject/],
    ['limit 22/tcp 33/10s', 'parse/limit', 13, undefined],
    ['limit 22/tcp 6/61m', 'parse/limit', 13, undefined],
    ['limit 22/tcp 6/0s', 'parse/limit', 13, /1s/],
    ['limit 22/tcp 6/30x', 'parse/limit', 13, /6\/30s/],
    ['limit 22/tcp 6/30days', 'parse/limit', 13, /6\/30s/],
    ['limit 8000/tcp 20/10', 'parse/limit', 15, /needs its unit: write 20\/10s/],
    ['allow OpenSSH', 'parse/port', 6, /^write 22\/tcp$/],
    ['allow Samba', 'parse/port', 6, /137,138\/udp/],
    ['allow Nginx Full', 'parse/port', 6, /^write 80,443\/tcp$/],
    ["allow 'Nginx HTTPS'", 'parse/port', 6, /^write 443\/tcp$/],
    ['limit Dovecot Secure IMAP', 'parse/port', 6, /^write 993\/tcp$/],
    ['allow WWW Full', 'parse/port', 6, /^write 80,443\/tcp$/],
    ['allow 53/tcp/udp', 'parse/protocol', 6, /^write 53 for tcp and udp$/],
    ['allow 6000:6007/udp,tcp', 'parse/protocol', 6, /^write 6000:6007 for tcp and udp$/],
    ['deny in on eth0', 'parse/not-supported-yet', 8, /interface/],
    ['limit 22/tcp 6/30s 7/30s', 'parse/row', 19, /./],
    ['limit 22/tcp verdict allow', 'parse/limit', 21, /verdict deny/],
    ['limit 22/tcp per 24', 'parse/limit', 17, /per \/24,\/56/],
    ['limit 22/tcp per /0', 'parse/limit', 17, /per/],
    ['limit 22/tcp per /24,/129', 'parse/limit', 21, /per/],
    ['limit 22/tcp per /64,/64', 'parse/limit', 17, /per/],
    ['limit 22/tcp per /24,/56,/8', 'parse/limit', 25, /per/],
    ['limit proto icmp', 'parse/limit', 0, /allow or deny/],
    ['limit from any to any port 7 proto sctp', 'parse/limit', 0, /allow or deny/],
    ['allow 22/tcp 6/30s', 'parse/limit', 13, /limit/],
    ['deny 22/tcp verdict deny', 'parse/limit', 20, /limit/],
    ['reject 22/tcp per /24', 'parse/limit', 18, /limit/],
    ['allow in out 53', 'parse/row', 9, /come in, or that go out/],
    ['allow in on eth0 to any port 22', 'parse/not-supported-yet', 9, /interface/],
    ['allow 22 log', 'parse/row', 9, /allow log/],
    ['allow from any log-all', 'parse/row', 15, /allow log-all/],
    ['allow from any app OpenSSH', 'parse/not-supported-yet', 15, /services/],
    ['route allow 22', 'parse/not-supported-yet', 0, /./],
    ['allow 0', 'parse/port', 6, /leave/],
    ['allow 65536', 'parse/port', 6, undefined],
    ['allow 022', 'parse/port', 6, /write 22/],
    ['allow 90:80', 'parse/port', 6, /write 80:90/],
    ['allow 80,', 'parse/port', 9, /list/],
    ['allow sshh', 'parse/port', 6, /did you mean ssh/],
    ['allow to any port 0x50', 'parse/port', 18, undefined],
    ['allow to any port office', 'parse/port', 18, /from office/],
    ['allow 22/tpc', 'parse/protocol', 6, /tcp or udp/],
    ['allow proto tpc', 'parse/protocol', 12, /did you mean/],
    ['allow proto 256', 'parse/protocol', 12, /0 to 255/],
    ['allow proto 06', 'parse/protocol', 12, /0 to 255/],
    ['allow proto any,tcp', 'parse/protocol', 12, undefined],
    ['allow proto gre to any port 22', 'parse/port-protocol', 28, /leave the port out/],
    ['allow 22/icmp', 'parse/port-protocol', 6, undefined],
    ['allow proto udp to any port http', 'parse/protocol-clash', 28, /number/],
    ['allow http/udp', 'parse/protocol-clash', 6, /number/],
    ['allow http,ntp', 'parse/protocol-clash', 11, /each/],
    ['allow 80/tcp,443', 'parse/protocol-clash', 13, /each/],
    ['allow from any port http to any port ntp', 'parse/protocol-clash', 20, undefined],
    ['allow icmp-type echo-request', 'parse/icmp-protocol', 16, /proto icmp/],
    ['allow icmp-type 8', 'parse/icmp-protocol', 16, /proto icmp/],
    ['allow proto tcp icmp-type 8', 'parse/icmp-protocol', 26, /one rule/],
    ['allow proto icmp icmp-type packet-too-big', 'parse/icmp-type', 27, /number/],
    ['allow proto icmp icmp-type ecko-request', 'parse/icmp-type', 27, /did you mean echo-request/],
    ['allow proto icmp icmp-type 256', 'parse/icmp-type', 27, /./],
    ['allow from 10.1', 'parse/short-address', 11, /10\.1\.0\.0/],
    ['allow from ofice', 'parse/address', 11, /did you mean office/],
    ['allow from any,10.0.0.0/8', 'parse/address', 11, undefined],
    ['allow from 10.0.0.1 to ::1', 'parse/family', 0, /each family/],
    ['allow from 10.0.0.1 family ipv6', 'parse/family', 0, /each family/],
    ['allow from any family v5', 'parse/family', 22, /ipv4/],
    ['allow office', 'parse/no-address-clause', 6, /from office/],
    ['allow 22 10.0.0.1', 'parse/no-address-clause', 9, /from 10\.0\.0\.1/],
    ['allow form 1.2.3.4', 'parse/row', 6, /did you mean from/],
    ['allow from', 'parse/row', 6, /from 10/],
    ['allow from to any', 'parse/row', 6, /from 10/],
    ['allow from any from any', 'parse/row', 15, /one list/],
    ['allow 22 23', 'parse/row', 9, /expected/],
    ['allow 22 deny 23', 'parse/row', 9, /a row a line/],
    ['Deny 0.0.0.0/0 from 10.0.0.1', 'parse/row', 15, /from 0/],
    ['allow from any proto tcp port 22', 'parse/port-place', 25, /to any port 22/],
    ["allow 22 comment 'open", 'parse/comment', 17, /'/],
    ['allow 22 comment', 'parse/comment', 9, /why/],
    ["allow 22 'web'", 'parse/row', 9, undefined],
    ['allow 22 id default', 'parse/id', 12, undefined],
  ])('%j: %s', (text, code, start, hint) => {
    const { row, findings } = parseRuleLine(text, names);
    expect(row).toBeNull();
    const error = findings.find((finding) => finding.severity === 'error');
    expect(error).toMatchObject({ code, start });
    if (hint) expect(error!.hint).toMatch(hint);
    expect(error!.message).not.toMatch(/^[A-Z]/);
  });
});

test.each(['deny in on eth0', 'allow Nginx Full', 'allow Dovecot Secure IMAP', 'allow 53/tcp/udp'])(
  '%s is one mistake',
  (text) => {
    expect(parseRuleLine(text, names).findings).toHaveLength(1);
  },
);

test('all problems of a row are reported', () => {
  const { findings } = parseRuleLine('limit 40/2h from 10.1 port 99999 to ofice port sshh proto tpc', names);
  expect(findings.map(({ code }) => code)).toEqual([
    'parse/short-address',
    'parse/address',
    'parse/protocol',
    'parse/port',
    'parse/port',
  ]);
});

test.each([
  ['allow log 22', 'new'],
  ['deny in log-all from 10.0.0.0/8', 'all'],
  ['ALLOW LOG 22/tcp', 'new'],
  ['1 Deny log 0.0.0.0/0 Port 14141', 'new'],
  ['allow 22', undefined],
])('%j tells of its packets: %s', (text, log) => {
  const { row, findings } = parseRuleLine(text, names);
  expect(findings.filter(({ severity }) => severity === 'error')).toEqual([]);
  expect(row!.log).toBe(log);
  // What a row matches, and so its id, does not depend on it.
  expect(row!.text).toBe(parseRuleLine(text.replace(/log(-all)? /i, ''), names).row!.text);
});
