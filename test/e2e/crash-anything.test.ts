/**
 * Every command that changes something, killed at moments that a seed chooses, one after another, while frames flow: one
 * ruleset judges, whole, and it is the one that status names; a command that comes after leaves nothing of those before.
 * `SLUICE_KILLS=200` kills 200 of them, `SLUICE_KILL_SEED` chooses other moments.
 */
import { existsSync, readdirSync } from 'node:fs';
import { takeSnapshot } from '../../src/operate/enforcement';
import { serve } from '../support/clients';
import { EdgeHost, HOST, pinsOf, Prober, untilGone } from '../support/edge-host';
import { inboundRows } from '../support/snapshot-rows';
import { Traffic } from '../support/traffic';

const KILLS = Number(process.env.SLUICE_KILLS ?? 24);
const SEED = Number(process.env.SLUICE_KILL_SEED ?? 20261123);
const PORTS = { a: 14141, b: 14142, always: 8000, never: 9999 };
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

const text = (open: number, closed: number): string => `version: 1
interfaces: [${HOST.link}]
inbound:
  default: deny
  rules:
    - { id: always, action: allow, port: ${PORTS.always}/udp }
    - { id: p${open}, action: allow, port: ${open}/tcp }
    - { id: p${closed}, action: deny, port: ${closed}/tcp }
    - { id: never, action: deny, port: ${PORTS.never} }
`;

let host: EdgeHost;
let prober: Prober;
let traffic: Traffic;

beforeAll(async () => {
  host = await EdgeHost.open('kills');
  await serve(host.edge, [`tcp:${PORTS.a}`, `tcp:${PORTS.b}`]);
  prober = new Prober(host.wire);
  host.write('a.yaml', text(PORTS.a, PORTS.b));
  host.write('b.yaml', text(PORTS.b, PORTS.a));
  traffic = await Traffic.open(host, [PORTS.always, PORTS.never]);
});

afterAll(async () => {
  await traffic.close();
  await prober.stop();
  await host.close();
});

/** What status states is what connections show: one of the two rulesets, or no filter. */
async function expectOneJudges(): Promise<void> {
  const { active, sections } = await takeSnapshot(host.context());
  const rows = active
    ? inboundRows({ sections }).filter(({ id, action }) => /^p\d/.test(id) && action === 'allow')
    : [];
  if (active) expect(rows).toHaveLength(1);
  const stated = active ? rows.map(({ id }) => Number(id.slice(1))) : [PORTS.a, PORTS.b];
  expect(await prober.open(PORTS.a, PORTS.b)).toEqual(stated);
}

/** Names of the files that are kept, numbers and digests left out. */
function kept(): string[] {
  const { path } = host.context().folder;
  if (!existsSync(path)) return [];
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' });
  return [...new Set(names.map((name) => name.replace(/[0-9a-f]{8,}|\d+/g, '#')))].sort();
}

async function expectWhole(): Promise<void> {
  const { generation, warnings } = await host.status();
  expect(warnings).toEqual([]);
  expect(host.pinned()).toEqual(pinsOf(generation!, [host.edge.ifindex(HOST.link)]));
  for (const hook of ['programs', 'egress'] as const)
    expect(host.slots(hook).filter((id) => id !== null)).toHaveLength(1);
  expect(host.records()).toEqual([`generation-${generation}.json`]);
}

test(`${KILLS} commands killed, seed ${SEED}`, async () => {
  const next = numbersOf(SEED);
  const file = (name: string): string => `${host.directory}/${name}.yaml`;
  const commands = [
    ...['a', 'b', 'a', 'b'].map((name) => ['apply', file(name), '--no-confirm']),
    ...['a', 'b', 'a', 'b'].map((name) => ['apply', file(name), '--confirm', '10m']),
    ...[['confirm'], ['confirm'], ['rollback'], ['rollback']],
    ...[
      ['ban', '192.0.2.77', '--for', '1h'],
      ['unban', '192.0.2.77'],
    ],
    ...[['disable', '--yes'], ['enable'], ['enable']],
  ];
  await host.must('apply', file('a'));
  await host.must('apply', file('b'));
  await expectOneJudges();
  const files = kept();
  traffic.resume();
  const done: string[] = [];
  for (let i = 0; i < KILLS; i++) {
    const words = commands[Math.floor(next() * commands.length)];
    const delay = DELAY_MS.least + next() * (DELAY_MS.most - DELAY_MS.least);
    done.push(`${words.join(' ')} killed after ${Math.round(delay)} ms`);
    try {
      const child = host.startSluice(words);
      await new Promise((ended) => setTimeout(ended, delay));
      await child.stop('SIGKILL');
      await expectOneJudges();
      if (i % 12 !== 11) continue;
      // Whatever was left: what waits is taken back, and a change that ends leaves one generation and nothing else.
      await host.sluice(['rollback']);
      await host.must('apply', file(next() < 0.5 ? 'a' : 'b'), '--no-confirm');
      await expectOneJudges();
      await expectWhole();
    } catch (error) {
      throw new Error(`${done.slice(-6).join('\n')}\n${(error as Error).message}`, { cause: error });
    }
  }
  await host.sluice(['rollback']);
  await host.must('unban', '192.0.2.77').catch(() => undefined);
  await host.must('apply', file('a'), '--no-confirm');
  await expectWhole();
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
