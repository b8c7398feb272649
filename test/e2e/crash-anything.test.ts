/**
 * Every command that changes something, killed at moments that a seed chooses, one after another, while frames flow and
 * servers begin and end to wait by themselves: one ruleset judges, whole, and it is the one that status names; a command
 * that comes after leaves nothing of those before. `SLUICE_KILLS=200` kills 200 of them, `SLUICE_KILL_SEED` chooses other
 * moments.
 */
import { existsSync, readdirSync } from 'node:fs';
import { untilGone } from '../support/edge-host';
import { CrashStand, PORTS, SERVER_SHUT } from '../support/crash-stand';
import { endTrial } from '../support/end-trial';

const KILLS = Number(process.env.SLUICE_KILLS ?? 24);
const SEED = Number(process.env.SLUICE_KILL_SEED ?? 20261123);
/** A whole command takes about as long; some are over when they are killed. */
const DELAY_MS = { least: 120, most: 700 };

jest.setTimeout(120_000 + KILLS * 20_000);

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function numbersOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

let stand: CrashStand;

beforeAll(async () => {
  stand = await CrashStand.open('kills');
});

afterAll(() => stand.close());

/** Names of the files that are kept, numbers and digests left out. */
function kept(): string[] {
  const { path } = stand.host.context().folder;
  if (!existsSync(path)) return [];
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' });
  return [...new Set(names.map((name) => name.replace(/[0-9a-f]{8,}|\d+/g, '#')))].sort();
}

/**
 * Whatever was left: what waits is taken back, and a change that ends leaves one generation and nothing else. What is
 * told then, of changes that nobody confirmed, until something else is applied.
 */
async function expectWholeAfter(name: 'a' | 'b'): Promise<readonly string[]> {
  const { host } = stand;
  // What waits as a whole, then servers by themselves; either may be none.
  for (let i = 0; i < 2; i++) await host.sluice(['rollback']);
  stand.write('allow');
  await host.must('apply', stand.file(name), '--no-confirm');
  expect([await stand.reached(), await stand.waiting()]).toEqual([[PORTS.server, PORTS[name]], []]);
  await stand.expectWhole();
  return (await host.status()).warnings;
}

test(`${KILLS} commands killed, seed ${SEED}`, async () => {
  const { host, traffic } = stand;
  const next = numbersOf(SEED);
  const commands = [
    ...(['a', 'b', 'a', 'b'] as const).map((name) => ['apply', stand.file(name), '--no-confirm']),
    ...(['a', 'b', 'a', 'b'] as const).map((name) => ['apply', stand.file(name), '--confirm', '10m']),
    ...[['confirm'], ['confirm'], ['rollback'], ['rollback']],
    ...Array.from({ length: 5 }, () => [...SERVER_SHUT, '--confirm', '10m']),
    ...['confirm', 'confirm', 'rollback', 'rollback'].map((verb) => [verb, '--server', 'red']),
    ['allow', `${PORTS.server}/tcp`, '--server', 'red', '--confirm', '10m'],
    ...[
      ['ban', '192.0.2.77', '--for', '1h'],
      ['unban', '192.0.2.77'],
    ],
    ...[['disable', '--yes'], ['enable'], ['enable']],
  ];
  await host.must('apply', stand.file('a'));
  await host.must('apply', stand.file('b'));
  await stand.reached();
  const files = kept();
  traffic.resume();
  const done: string[] = [];
  /** Whether the time of red has been over since something else was applied. */
  let isOver = false;
  const expectWhole = async (name: 'a' | 'b'): Promise<void> => {
    const warnings = await expectWholeAfter(name);
    const told = /^the change of [-0-9 :]+ UTC of red was not confirmed within 600 s: the rows before judge again/;
    expect(warnings.filter((warning) => !isOver || !told.test(warning))).toEqual([]);
    if (warnings.length === 0) isOver = false;
  };
  for (let i = 0; i < KILLS; i++) {
    const words = commands[Math.floor(next() * commands.length)];
    const delay = DELAY_MS.least + next() * (DELAY_MS.most - DELAY_MS.least);
    done.push(`${words.join(' ')} killed after ${Math.round(delay)} ms`);
    try {
      const child = host.startSluice(words);
      await new Promise((ended) => setTimeout(ended, delay));
      await child.stop('SIGKILL');
      await stand.reached();
      // Time passes too: the next command finds a server that was not confirmed.
      if (next() < 0.3 && (await stand.waiting()).includes('red')) {
        done.push('the time of red is over');
        await endTrial(host, 'red');
        isOver = true;
        await stand.reached();
      }
      if (i % 12 === 11) await expectWhole(next() < 0.5 ? 'a' : 'b');
    } catch (error) {
      throw new Error(`${done.slice(-6).join('\n')}\n${(error as Error).message}`, { cause: error });
    }
  }
  await host.must('unban', '192.0.2.77').catch(() => undefined);
  await expectWhole('a');
  // What was not confirmed is told until something else is applied, which two changes in a row are.
  for (const name of ['b', 'a'] as const) await host.must('apply', stand.file(name), '--no-confirm');
  expect((await host.status()).warnings).toEqual([]);
  // Files of the same kinds as at the beginning, but those of bans: no half-written one, no record of what is gone.
  expect(kept().filter((name) => !files.includes(name) && !/ban/.test(name))).toEqual([]);
  await traffic.pause();
  const objects = host.objects();
  await host.must('disable', '--yes');
  expect(host.pinned()).toEqual([]);
  expect(host.records()).toEqual([]);
  await untilGone(objects);
  await host.recount('the ends of commands that were killed between detaching and counting lose those counts');
});
