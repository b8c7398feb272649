/** `status --format ufw` is what ufw itself prints for the same words, byte for byte. */
import { EdgeHost, HOST } from '../support/edge-host';
import { Ufw } from '../support/ufw';

/** Typed to both. ufw counts in the order of typing, sluice what goes out behind what comes in: so it does here. */
const RULES = [
  'allow 22/tcp',
  'limit 2200/tcp',
  'allow 53',
  'allow 80,443/tcp comment web',
  'allow 9000:9100,9200/udp',
  'reject 9',
  'deny 8000:8100/udp',
  'allow in log 10/tcp',
  'allow in log-all 11/tcp',
  'allow proto tcp from 203.0.113.0/24 to any port 8000',
  'allow from 203.0.113.0/24 to any port 8001',
  'allow from 10.0.0.5 port 1000 to 10.0.0.6 port 2000 proto tcp',
  'allow from 10.0.0.7 to 10.0.0.8',
  'allow from 2001:db8:7::/48 to any port 443',
  'deny to 2001:db8::1',
  'deny from 192.0.2.66',
  'allow proto udp from any port 5353',
  'deny proto tcp from 10.0.0.9 port 5',
  'allow proto gre from 10.0.0.1',
  'deny proto esp from 10.1.0.0/16 to 10.2.0.0/16',
  'deny proto ah from any to any',
  'deny proto tcp from any to any',
  'deny out 25',
  'deny out log to 192.0.2.1',
  'allow out proto tcp from any to 10.0.0.0/8 port 1:100',
  'deny out from any to 2001:db8:5::/64',
];

const FORMS = ['', 'verbose', 'numbered'] as const;

let host: EdgeHost;

beforeEach(async () => {
  host = await EdgeHost.open('ufw-status');
});

afterEach(() => host.close());

/** A ruleset with the words as rows, under what they are about. */
function ruleset(rules: readonly string[], rest = ''): string {
  const list = (out: boolean): string =>
    JSON.stringify(
      rules.filter((rule) => / out /.test(rule) === out).map((rule) => rule.replace('comment web', "comment 'web'")),
    );
  return `version: 1
interfaces: [${HOST.link}]
inbound: { default: ${rest ? 'reject' : 'deny'}, rules: ${list(false)} }
outbound: { default: ${rest ? 'deny' : 'allow'}, rules: ${list(true)} }
${rest}`;
}

test('the table of ufw: empty, with rules of every shape, with other defaults, off', async () => {
  const ufw = Ufw.create(host.edge, host.directory);
  const expectSame = async (...forms: readonly string[]): Promise<void> => {
    const shown = [];
    for (const form of forms)
      shown.push(await host.must('status', ...form.split(' ').filter(Boolean), '--format', 'ufw'));
    expect(shown.join('')).toBe(ufw.run(...forms.map((form) => `status ${form}`)));
  };
  ufw.setLoaded(true);
  host.write('rules.yaml', ruleset([]));
  await host.must('apply');
  await expectSame('verbose');
  host.write('rules.yaml', ruleset(RULES));
  await host.must('apply');
  ufw.run(...RULES);
  await expectSame(...FORMS);
  host.write('rules.yaml', ruleset(RULES, 'logging: medium\n'));
  await host.must('apply');
  ufw.run('default reject incoming', 'default deny outgoing', 'logging medium');
  await expectSame('verbose');
  await host.must('disable', '--yes');
  ufw.setLoaded(false);
  await expectSame(...FORMS);
});

test('what ufw has no form for is printed as the rows it would need', async () => {
  host.write(
    'rules.yaml',
    `version: 1
interfaces: [${HOST.link}]
sets: { office: [203.0.113.0/24, "2001:db8:7::/48"] }
guard: { rules: [deny from 192.0.2.66, allow from office] }
inbound:
  default: deny
  udp: off
  ssh: { port: [22, 2222], from: anyone }
  rules:
    - { action: allow, from: office, port: 8000/tcp, note: "the office" }
    - { action: allow, port: 9999/tcp, enabled: false }
    - { action: deny, proto: [tcp, gre], from: 10.0.0.1 }
`,
  );
  await host.must('apply');
  const { stdout, stderr } = await host.sluice(['status', 'numbered', '--format', 'ufw']);
  expect(
    stdout
      .split('\n')
      .slice(4)
      .map((line) => line.trimEnd()),
  ).toEqual([
    '[ 1] Anywhere                   DENY IN     192.0.2.66',
    '[ 2] Anywhere/udp               DENY IN     Anywhere/udp',
    '[ 3] 8000/tcp                   ALLOW IN    203.0.113.0/24             # the office',
    '[ 4] Anywhere                   DENY IN     10.0.0.1/tcp',
    '[ 5] Anywhere                   DENY IN     10.0.0.1/gre',
    '[ 6] 22,2222/tcp                ALLOW IN    Anywhere',
    '[ 7] Anywhere/udp (v6)          DENY IN     Anywhere/udp (v6)',
    '[ 8] 8000/tcp                   ALLOW IN    2001:db8:7::/48            # the office',
    '[ 9] 22,2222/tcp (v6)           ALLOW IN    Anywhere (v6)',
    '',
    '',
  ]);
  expect(stderr).toContain('note: these are the numbers of ufw; verbs take those of sluice status numbered\n');
});
