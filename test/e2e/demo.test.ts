/** README's first command ends with the demonstration: it must hold what it prints, and leave nothing. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MAIN = join(__dirname, '../../dist/cli/main.js');

interface Shown {
  readonly ok: boolean;
  readonly results: readonly { who: string; what: string; through: boolean; expected: boolean }[];
  readonly swap: readonly { who: string; what: string; through: boolean }[];
  readonly counted: Record<'sluice' | 'driver', { seen: number; denied: number }>;
}

const leftovers = (): string[] => [
  ...readdirSync(tmpdir()).filter((name) => name.startsWith('sluice-demo-')),
  ...(existsSync('/run/netns') ? readdirSync('/run/netns') : []).filter((name) => name.includes('demo')),
];

test('real packets of three hosts end as explained, and the exchanged rows let home in', () => {
  const before = leftovers();
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'demo', '--json'], { encoding: 'utf8' });
  expect({ status, stderr }).toMatchObject({ status: 0 });
  const shown = JSON.parse(stdout) as Shown;
  expect(shown.ok).toBe(true);
  expect(shown.results).toHaveLength(24);
  expect(shown.swap).toHaveLength(6);
  const home = (list: readonly { who: string; what: string; through: boolean }[]): boolean[] =>
    list.filter(({ who, what }) => who === 'home' && what === 'nc 192.0.2.10 14141').map(({ through }) => through);
  expect([home(shown.results), home(shown.swap)]).toEqual([[false], [true]]);
  // Clients are counted by what they achieved; what they sent, by the driver and by sluice.
  expect(shown.counted.driver).toEqual(shown.counted.sluice);
  expect(shown.counted.sluice.denied).toBeGreaterThan(0);
  expect(leftovers()).toEqual(before);
});

test.each(['SIGINT', 'SIGTERM'] as const)(
  '%s ends it soon, and nothing stays: no namespace, no pin',
  async (signal) => {
    const before = leftovers();
    const pins = `/sys/fs/bpf/sluice-demo-${process.pid}`;
    const env = { ...process.env, SLUICE_BPFFS: pins };
    const child = spawn(process.execPath, [MAIN, 'demo'], { stdio: ['ignore', 'pipe', 'ignore'], env });
    const ended = once(child, 'close');
    let told = '';
    await new Promise<void>((resolve) =>
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        told += text;
        if (told.includes('applied: generation 1')) resolve();
      }),
    );
    child.kill(signal);
    expect(await ended).toEqual([null, signal]);
    expect(told).not.toContain('traffic goes on');
    expect({ left: leftovers(), pinned: existsSync(pins) }).toEqual({ left: before, pinned: false });
  },
  600_000,
);
