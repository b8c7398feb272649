/** The filter and the action for fail2ban, used by fail2ban itself. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { eventLine, type PacketEvent } from '../../src/observe/events';
import { packetFields } from '../../src/observe/packet-fields';
import type { LogWord } from '../../src/model/logging';
import { COMMAND, EdgeHost, HOST } from '../support/edge-host';
import { fail2ban } from '../support/fail2ban';
import * as p from '../support/packet';
import { run } from '../support/process';

const SHIPPED = resolve(__dirname, '../../scripts/fail2ban');
const FILTER = join(SHIPPED, 'filter.d/sluice.conf');

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), `slc-fail2ban-${process.pid}-`))));
afterEach(() => rmSync(directory, { recursive: true }));

const line = (word: LogWord, rule: string, ...layers: p.Layer[]): string => {
  const event: PacketEvent = {
    time: new Date().toISOString(),
    word,
    fields: [
      ...packetFields(p.compose(...layers), { in: 'eth0', out: '' }),
      { key: 'SRV', value: 'inbound' },
      { key: 'RULE', value: rule },
      { key: 'REASON', value: rule === 'default' ? 'default' : 'rule' },
      { key: 'GEN', value: '1' },
      { key: 'EVENT', value: 'abcd0123-0' },
    ],
  };
  return eventLine(event, 'edge');
};

/** Sources that fail2ban finds in the lines. */
async function found(lines: readonly string[], parameters = ''): Promise<string[]> {
  const log = join(directory, 'sluice.log');
  writeFileSync(log, `${lines.join('\n')}\n`);
  const { argv, env } = fail2ban('fail2ban-regex');
  const { stdout, stderr, status } = await run([...argv, '-o', 'ip', log, FILTER + parameters], { env });
  if (stderr !== '') throw new Error(`fail2ban-regex ended with ${status}: ${stderr}`);
  return stdout.split('\n').filter(Boolean);
}

const from = (source: string): p.Layer => p.ipv4({ from: source });
const LINES = [
  line('BLOCK', 'default', from('192.0.2.1'), p.tcp({ to: 23 })),
  line('BLOCK', 'no-ssh', from('192.0.2.2'), p.tcp({ to: 22 })),
  line('LIMIT BLOCK', 'no-ssh', p.ipv6({ from: '2001:db8::2' }), p.tcp({ to: 22 })),
  line('BLOCK', 'default', p.vlan({ id: 5 }), from('192.0.2.3'), p.udp({ to: 22 })),
  line('ALLOW', 'web', from('192.0.2.4'), p.tcp({ to: 22 })),
  line('AUDIT', 'web', from('192.0.2.5'), p.tcp({ to: 22 })),
];

test('sources that were refused, whatever the family; nobody who was let in', async () => {
  expect(await found(LINES)).toEqual(['192.0.2.1', '192.0.2.2', '2001:db8::2', '192.0.2.3']);
});

test('a jail chooses by port and by rule', async () => {
  expect(await found(LINES, '[port=22]')).toEqual(['192.0.2.2', '2001:db8::2', '192.0.2.3']);
  expect(await found(LINES, '[rule=no-ssh]')).toEqual(['192.0.2.2', '2001:db8::2']);
});

test('an ICMP error cannot get the source banned that it quotes', async () => {
  const quote = [from('198.51.100.77'), p.tcp({ to: 22 })];
  expect(
    await found([
      line('BLOCK', 'default', from('192.0.2.9'), p.icmp({ type: 3, quote })),
      line(
        'BLOCK',
        'default',
        p.ipv6(),
        p.icmpv6({ type: 1, quote: [p.ipv6({ from: '2001:db8::77' }), p.udp({ to: 22 })] }),
      ),
    ]),
  ).toEqual([]);
});

test('a source that knocks on closed ports is banned by the action', async () => {
  const host = await EdgeHost.open('fail2ban');
  try {
    const rules = 'version: 1\ninterfaces: [eth0]\ninbound: { default: deny, rules: [allow 8000/tcp] }\n';
    await host.must('apply', host.write('rules.yaml', rules));
    const daemon = host.startSluice(['daemon']);
    await daemon.waitFor(/the daemon runs/);
    const log = join(host.directory, 'sluice.log');
    writeFileSync(log, '');
    const conf = join(directory, 'fail2ban');
    mkdirSync(conf);
    for (const name of ['filter.d', 'action.d']) symlinkSync(join(SHIPPED, name), join(conf, name));
    const files = {
      logtarget: 'STDOUT',
      socket: join(directory, 'socket'),
      pidfile: join(directory, 'pid'),
      dbfile: 'None',
    };
    writeFileSync(
      join(conf, 'fail2ban.conf'),
      [
        '[Definition]',
        'loglevel = INFO',
        'syslogsocket = auto',
        'dbpurgeage = 1d',
        ...Object.entries(files).map(([key, value]) => `${key} = ${value}`),
      ].join('\n'),
    );
    writeFileSync(
      join(conf, 'jail.conf'),
      [
        '[closed]',
        'enabled = true',
        'backend = polling',
        `logpath = ${log}`,
        'filter = sluice[port=23]',
        `action = sluice[sluice="${process.execPath} ${COMMAND}"]`,
        'maxretry = 2',
        'findtime = 600',
        'bantime = 600',
      ].join('\n'),
    );
    const { argv, env } = fail2ban('fail2ban-server');
    const server = host.edge.start([...argv, '-f', '-c', conf, 'start'], { env: { ...env, ...host.environment } });
    try {
      await server.waitFor(/Jail 'closed' started/);
      for (let i = 0; i < 3; i++) await host.wire.run(['nc', '-zv', '-w', '1', HOST.ipv4, '23']);
      await server.waitFor(/\[closed\] Ban 192\.0\.2\.1/);
      for (const deadline = Date.now() + 60_000; !(await host.must('bans')).includes('192.0.2.1');)
        if (Date.now() > deadline) throw new Error(`not banned: ${server.output}`);
      expect((await host.wire.run(['nc', '-zv', '-w', '1', HOST.ipv4, '8000'])).status).not.toBe(0);
    } finally {
      await server.stop();
    }
    await daemon.stop();
  } finally {
    await host.close();
  }
});
