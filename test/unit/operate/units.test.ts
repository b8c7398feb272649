import { unitFiles, type UnitFacts } from '../../../src/operate/units';

const FACTS: UnitFacts = {
  command: ['/usr/bin/node', '/usr/lib/node_modules/sluice/dist/cli/main.js'],
  environment: {},
  log: '/var/log/sluice.log',
  state: '/var/lib/sluice',
  bpffs: '/sys/fs/bpf',
  run: '/run/sluice',
};
const lines = (facts: Partial<UnitFacts>, unit = 'sluice.service'): string[] =>
  unitFiles({ ...FACTS, ...facts })[unit].split('\n');

test('the ruleset comes before the network, as with nftables.service', () => {
  expect(lines({})).toEqual(
    expect.arrayContaining([
      'DefaultDependencies=no',
      'Wants=network-pre.target',
      'Before=network-pre.target shutdown.target',
      'Conflicts=shutdown.target',
      'RequiresMountsFor=/var/lib/sluice /sys/fs/bpf /usr/bin/node /usr/lib/node_modules/sluice/dist/cli/main.js',
      'Type=oneshot',
      'RemainAfterExit=yes',
      'ExecStart=/usr/bin/node /usr/lib/node_modules/sluice/dist/cli/main.js boot',
      'ReadWritePaths=/sys/fs/bpf',
      'WantedBy=sysinit.target',
    ]),
  );
});

test('stopping the first ends the daemon', () => {
  expect(lines({}, 'sluice-daemon.service')).toEqual(
    expect.arrayContaining([
      'PartOf=sluice.service',
      'ExecStart=/usr/bin/node /usr/lib/node_modules/sluice/dist/cli/main.js daemon --log /var/log/sluice.log',
      'ReadWritePaths=/sys/fs/bpf /var/log',
      'RuntimeDirectory=sluice',
    ]),
  );
  expect(lines({ log: null }, 'sluice-daemon.service')).toEqual(
    expect.arrayContaining([expect.stringMatching(/ daemon --journal$/), 'ReadWritePaths=/sys/fs/bpf']),
  );
});

test('what ProtectKernelTunables= protects is named, since it would take /sys/fs/bpf with it', () => {
  for (const unit of ['sluice.service', 'sluice-daemon.service']) {
    expect(lines({}, unit)).toContain(
      'ReadOnlyPaths=/sys /proc/sys -/proc/sysrq-trigger -/proc/irq -/proc/bus -/proc/fs',
    );
    expect(lines({}, unit).filter((line) => line.startsWith('ProtectKernelTunables'))).toEqual([]);
  }
});

test('words that systemd would read otherwise are quoted', () => {
  const odd = lines({
    command: ['/opt/my node/node', '/srv/$HOME/100%/"x"/main.js'],
    environment: { SLUICE_STATE_DIR: '/var/lib/my state' },
    state: '/var/lib/my state',
    run: '/run/other',
  });
  expect(odd).toContain('ExecStart="/opt/my node/node" "/srv/$$HOME/100%%/\\"x\\"/main.js" boot');
  expect(odd).toContain('Environment="SLUICE_STATE_DIR=/var/lib/my state"');
  expect(odd).toContain('ReadWritePaths=/sys/fs/bpf "/var/lib/my state"');
  expect(odd.join('\n')).not.toContain('StateDirectory');
});
