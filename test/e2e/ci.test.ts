/** `sluice ci`: real packets for every expectation, on a link of its own; and that nothing of it stays, however it ends. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import { kernel } from '../../src/kernel/native';
import { applyRuleset } from '../../src/operate/apply';
import { disable } from '../../src/operate/disable';
import { checkRuleset } from '../../src/operate/check';
import { type Context, openContext } from '../../src/operate/context';
import { readEnforcement } from '../../src/operate/enforcement';
import { FILTERED_DEVICE, PrivateLink } from '../../src/operate/private-link';
import { rehearse, type Rehearsed } from '../../src/operate/rehearse';
import { parseDriverCounters } from '../support/ethtool';
import { must } from '../support/process';

const MAIN = resolve(__dirname, '../../dist/cli/main.js');
const ACTION = resolve(__dirname, '../../.github/actions/sluice-ci/action.yml');

/** Every tier that an expectation can be about. */
const RULES = `version: 1
services: { metrics: 9100/tcp }
sets: { office: [203.0.113.0/24, "2001:db8:7::/48"] }
guard:
  keep-reachable: [{ from: office, port: 22/tcp }]
  rules: [deny from 198.18.0.0/15, deny out to any port 25]
inbound:
  default: deny
  ssh: { port: 22, from: anyone }
  rules:
    - allow from office to any port metrics
    - limit 8000/tcp
    - limit 8001/tcp 2/10s verdict deny
    - reject 113/tcp
    - allow 53/udp
    - allow from 192.0.2.0/24 proto gre
outbound: { default: allow, rules: [deny out to 10.0.0.0/8] }
servers:
  gpu: { address: 198.51.100.7, ports: 14500-14599, rules: [allow from 78.168.0.0/16 to any port 14541], default: deny }
expect:
  - allow tcp from 203.0.113.0/24 to any port 22
  - allow tcp from 8.0.0.0/8 to any port 22
  - deny from 198.18.1.0/24
  - allow tcp from office to any port 9100
  - reject tcp from 1.2.3.0/24 to 9.9.9.9 port 113
  - allow tcp from 1.2.3.0/24 to 9.9.9.9 port 8000
  - allow tcp from 1.2.3.4 to 9.9.9.9 port 8001
  - allow udp from 1.2.3.0/24 to 9.9.9.9 port 53
  - deny udp from 1.2.3.0/24 to 9.9.9.9 port 54
  - deny udp from 2001:db8::/32 to any port 54
  - allow from 192.0.2.0/24 to 9.9.9.9 proto gre
  - allow icmp from 192.0.2.0/24 icmp-type 8
  - deny tcp from 1.2.3.4 to 198.51.100.7 port 14541
  - deny udp from 78.168.1.2 to 198.51.100.7 port 14541
  - allow tcp from 78.168.1.2 to 198.51.100.7 port 14541
  - deny out tcp from any to any port 25
  - deny out from 192.0.2.1 to 10.0.0.0/8
  - allow out udp from 192.0.2.1 to 8.8.8.8 port 53
  - allow out icmp from 192.0.2.1 to 8.8.8.8 icmp-type 8
`;

interface Printed {
  readonly ok: boolean;
  readonly mode: string;
  readonly frames: number;
  readonly expectations: readonly { text: string; packets: number; failures: readonly unknown[] }[];
}

let directory: string;
let environment: NodeJS.ProcessEnv;
let file: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'ci-test-'));
  file = join(directory, 'rules.yaml');
  const pins = `/sys/fs/bpf/sluice-ci-${process.pid}`;
  environment = { ...process.env, SLUICE_BPFFS: pins, SLUICE_STATE_DIR: join(directory, 'state') };
});
afterEach(() => {
  const left = leftovers();
  rmSync(directory, { recursive: true, force: true });
  expect(left).toEqual({ namespaces: [], folders: [], pinned: false, state: false });
});

/** What runs of this test left. */
function leftovers(): Record<string, unknown> {
  const own = (names: readonly string[]): string[] => names.filter((name) => children.has(pidOf(name)));
  return {
    namespaces: own(existsSync('/run/netns') ? readdirSync('/run/netns') : []),
    folders: own(readdirSync(tmpdir())),
    pinned: existsSync(environment.SLUICE_BPFFS!),
    state: existsSync(environment.SLUICE_STATE_DIR!),
  };
}

/** Processes whose traces are looked for. */
const children = new Set<number>([process.pid]);
const pidOf = (name: string): number => Number(/^sluice-ci-(\d+)-/.exec(name)?.[1]);

function sluice(...words: string[]): { status: number | null; stdout: string; stderr: string } {
  const child = spawnSync(process.execPath, [MAIN, ...words], { encoding: 'utf8', env: environment, cwd: directory });
  children.add(child.pid);
  return child;
}

test.each(['native', 'generic'])('every expectation is tried, in both directions, in %s mode', (mode) => {
  writeFileSync(file, `${RULES}mode: ${mode}\n`);
  const { status, stdout, stderr } = sluice('ci', file, '--json', '--junit', 'report.xml');
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const printed = JSON.parse(stdout) as Printed;
  expect(printed).toMatchObject({ ok: true, mode });
  expect(printed.expectations).toHaveLength(19);
  for (const one of printed.expectations) {
    expect(one).toMatchObject({ failures: [] });
    expect({ ...one, isTried: one.packets > 0 }).toMatchObject({ isTried: true });
  }
  // Every row that decides packets of "deny from 198.18.1.0/24", and its ends in each protocol.
  expect(printed.expectations[2].packets).toBeGreaterThan(8);
  expect(printed.frames).toBeGreaterThan(100);
  expect(readFileSync(join(directory, 'report.xml'), 'utf8')).toContain(
    '<testsuite name="rules.yaml" tests="20" failures="0" errors="0" skipped="0">',
  );
});

test('what the wire does otherwise than expected is told, packet by packet', async () => {
  const link = await PrivateLink.make(kernel());
  process.env.SLUICE_BPFFS = environment.SLUICE_BPFFS;
  try {
    const read = (rules: string, expectations: string): ReturnType<typeof checkRuleset> =>
      checkRuleset(file, `version: 1\ninterfaces: [eth0]\ninbound: { rules: [${rules}] }\nexpect: [${expectations}]\n`);
    const enforced = read('allow 22/tcp id a, allow 80/tcp id b, allow 53/udp id c', '');
    // The same ids, so that counters have the same places.
    const meant = read(
      'allow 22/tcp id a, deny 80/tcp id b, allow 53/udp id c',
      'allow tcp from 192.0.2.0/24 to 9.9.9.9 port 22, deny tcp from 192.0.2.1 to 9.9.9.9 port 80, deny tcp from 192.0.2.1 to 9.9.9.9 port 81',
    );
    const context: Context = {
      ...(await openContext({ netns: link.filtered.netns })),
      folder: { path: join(directory, 'own') },
    };
    try {
      await applyRuleset(
        context,
        { file, text: '', ruleset: enforced.ruleset!, image: enforced.image! },
        { force: true },
      );
      const { generation } = (await readEnforcement(context))!;
      const counters = kernel().openPinnedMap(join(context.pins.generation(generation), 'counters'));
      const tell = async (ruleset: typeof meant): Promise<{ rehearsed: readonly Rehearsed[]; frames: number }> =>
        rehearse(
          context,
          link,
          { ruleset: ruleset.ruleset!, ranks: ruleset.image!.ranks, counters },
          { most: 2, goOn: () => undefined },
        );
      const { rehearsed, frames } = await tell(meant);
      expect(rehearsed.map(({ packets, failures }) => [packets, failures.map(({ problem }) => problem)])).toEqual([
        [2, []],
        [2, ['it arrived', 'it arrived']],
        [2, []],
      ]);
      // The driver saw what was sent.
      const figures = must(['nsenter', `--net=${link.filtered.netns}`, 'ethtool', '-S', FILTERED_DEVICE]);
      expect(parseDriverCounters(figures).packets).toBe(frames);
      const renamed = read('allow 22/tcp id b, allow 80/tcp id a', 'allow tcp from 192.0.2.9 to 9.9.9.9 port 22');
      const shifted = await tell({ ...renamed, image: { ...renamed.image!, ranks: meant.image!.ranks } });
      expect(shifted.rehearsed[0].failures[0].problem).toBe('it was not counted at inbound/b, but at inbound/a');
      counters.close();
    } finally {
      await disable(context);
    }
  } finally {
    delete process.env.SLUICE_BPFFS;
    link.remove();
  }
});

test('an expectation that does not hold ends it before anything is made: 3, and the report says where', () => {
  writeFileSync(
    file,
    RULES.replace('deny udp from 1.2.3.0/24 to 9.9.9.9 port 54', 'allow udp from any to any port 54'),
  );
  for (const command of ['ci', 'check', 'plan', 'apply']) {
    const report = join(directory, `${command}.xml`);
    expect(sluice(command, file, '--junit', report)).toMatchObject({ status: 3, stdout: '' });
    const text = readFileSync(report, 'utf8');
    expect(text).toContain('<testsuite name="rules.yaml" tests="20" failures="1" errors="0" skipped="0">');
    expect(text).toMatch(/<testcase name="allow 54\/udp" classname="rules\.yaml" file="rules\.yaml" line="29" /);
    expect(text).toMatch(
      /<failure message="&quot;allow 54\/udp&quot; does not hold: &quot;udp from [^"]* gets &quot;deny&quot;"/,
    );
    expect(text).toContain('rules.yaml:29:5');
  }
  writeFileSync(file, RULES.replace('default: deny', 'default: perhaps'));
  expect(sluice('check', file, '--junit', join(directory, 'r.xml'))).toMatchObject({ status: 3 });
  expect(readFileSync(join(directory, 'r.xml'), 'utf8')).toMatch(
    /tests="1" failures="1"[^]*<testcase name="the ruleset has no errors"[^]*&quot;perhaps&quot;/,
  );
});

test('a ruleset without expectations is loaded all the same', () => {
  writeFileSync(file, 'version: 1\ninbound: { rules: [allow 22/tcp] }\n');
  expect(sluice('ci', file)).toEqual(
    expect.objectContaining({
      status: 0,
      stdout:
        'the ruleset loads on a link of its own (native mode), which is gone again; it has no expectations to try (expect:)\n',
    }),
  );
});

test('what makes no sense is refused', () => {
  writeFileSync(file, RULES);
  expect(sluice('ci', file, '--netns', 'x')).toMatchObject({ status: 2 });
  expect(sluice('ci', file, '--interface', 'eth0')).toMatchObject({ status: 2 });
  for (const samples of ['0', '-1', '1.5', '10001', 'many'])
    expect(sluice('ci', file, '--samples', samples)).toMatchObject({ status: 2 });
  const { status, stderr } = sluice('ci', file, '--junit', join(directory, 'none/report.xml'));
  expect({ status, stderr }).toMatchObject({ status: 1, stderr: expect.stringContaining('none/report.xml') as string });
});

test.each(['SIGTERM', 'SIGKILL'] as const)(
  '%s in the middle leaves nothing, at the latest after the next run',
  async (signal) => {
    const many = Array.from({ length: 200 }, (_, i) => `  - deny udp from 1.${i}.0.0/16 to 9.9.9.9 port 9\n`).join('');
    writeFileSync(file, `version: 1\ninbound: { default: deny }\nexpect:\n${many}`);
    const child = spawn(process.execPath, [MAIN, 'ci', file], { env: environment, stdio: 'ignore' });
    children.add(child.pid!);
    const ended = once(child, 'close');
    // It has pinned something, and sends packets.
    while (!existsSync(environment.SLUICE_BPFFS!) && child.exitCode === null)
      await new Promise((done) => setTimeout(done, 5));
    child.kill(signal);
    expect(await ended).toEqual([null, signal]);
    if (signal === 'SIGKILL') {
      expect(leftovers()).toMatchObject({ namespaces: [expect.any(String), expect.any(String)], pinned: true });
      writeFileSync(file, RULES);
      expect(sluice('ci', file)).toMatchObject({ status: 0 });
    }
  },
);

test('the action for GitHub: its very lines', () => {
  interface Action {
    readonly inputs: Readonly<Record<string, { default?: string }>>;
    readonly runs: { readonly using: string; readonly steps: readonly Step[] };
  }
  interface Step {
    readonly shell: string;
    readonly run: string;
    readonly env: Readonly<Record<string, string>>;
  }
  const { inputs, runs } = parse(readFileSync(ACTION, 'utf8')) as Action;
  expect(runs.using).toBe('composite');
  writeFileSync(file, RULES);
  const given: Record<string, string> = { file: 'rules.yaml' };
  const value = (expression: string): string => {
    const [, context, name] = /^(\w+)\.(\w+)$/.exec(expression)!;
    if (context === 'github') return name === 'action_path' ? resolve(ACTION, '..') : '';
    return given[name] ?? inputs[name].default;
  };
  for (const { shell, run, env } of runs.steps) {
    // Values come in by the environment alone: nothing of them is read as a command.
    expect([shell, run.includes('${{')]).toEqual(['bash', false]);
    const own = Object.entries(env).map(([name, text]) => [
      name,
      text.replace(/\$\{\{ (\S+) \}\}/g, (_, one: string) => value(one)),
    ]);
    must(['bash', '--noprofile', '--norc', '-eo', 'pipefail', '-c', run], {
      cwd: directory,
      env: { ...environment, ...(Object.fromEntries(own) as Record<string, string>) },
      timeout: 300_000,
    });
  }
  expect(readFileSync(join(directory, 'sluice-junit.xml'), 'utf8')).toContain('tests="20" failures="0"');
});
