/**
 * A ruleset that cuts everybody off, applied with `--confirm` by a process that is killed as soon as it enforces: another
 * file, which waits as a whole, and in turn the same file, whose `inbound` waits by itself. No process of sluice runs: the
 * kernel alone brings back what was before, in time, and what was cut off goes on. `SLUICE_CONFIRM_ROUNDS=20` does it
 * twenty times.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { kernel } from '../../src/kernel/native';
import { pendingGate } from '../../src/load/confirm';
import { SharedState } from '../../src/load/state';
import { readEnforcement } from '../../src/operate/enforcement';
import { BACK_WITHIN_PROBES, CLOCKS_MS } from '../support/back-in-time';
import { serve } from '../support/clients';
import { EdgeHost, HOST } from '../support/edge-host';
import type { Background } from '../support/process';
import { wallTimeOf } from '../support/wall-clock';

const ROUNDS = Number(process.env.SLUICE_CONFIRM_ROUNDS ?? 2);
const PORTS = { echo: 7007, tcp: 14141, udp: 9000 };
/**
 * The session waits for its own retransmission, whose pause doubles while nothing comes through, from 0.2 s on a quiet
 * machine: so it comes after as long again as the cut lasted at most, and the first pause.
 */
const SESSION = { withinMs: 8000, afterCutMs: 3000, patienceMs: 60_000 };

jest.setTimeout(120_000 + ROUNDS * 120_000);

let host: EdgeHost;
let server: Background;
let client: Background;

/** Everybody has a way in, and nobody. */
const ROWS = [`allow ${PORTS.echo}/tcp`, `allow ${PORTS.tcp}/tcp`, `allow ${PORTS.udp}/udp`];
const SOME = `version: 1\ninterfaces: [eth0]\ninbound: { default: deny, rules: [${ROWS.join(', ')}] }\n`;
const NOBODY = 'version: 1\ninterfaces: [eth0]\ninbound: { default: deny }\n';

beforeAll(async () => {
  host = await EdgeHost.open('dead');
  server = await serve(host.edge, [`echo:${PORTS.echo}`, `tcp:${PORTS.tcp}`, `udp:${PORTS.udp}`]);
  host.write('rules.yaml', SOME);
  host.write('nobody.yaml', NOBODY);
  await host.must('apply');
  client = host.wire.start([
    process.execPath,
    join(__dirname, '../support/steady-client.js'),
    ...[HOST.ipv4, PORTS.echo, PORTS.tcp, PORTS.udp].map(String),
  ]);
  for (const kind of ['session', 'tcp', 'udp']) await client.waitFor(new RegExp(`"${kind}".*"answered"`));
});

afterAll(async () => {
  await client.stop('SIGKILL');
  await server.stop('SIGKILL');
  await sleep(300); // what the client sent last
  await host.close();
});

interface Answer {
  readonly kind: 'session' | 'tcp' | 'udp';
  readonly asked: number;
  readonly answered: number;
}

function told(): Partial<Answer>[] {
  return client.output
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as Partial<Answer>);
}
const answers = (): Answer[] => told().filter((line): line is Answer => line.answered !== undefined);

/** When the wait that stands in the kernel is over, as the clients' clock will say it. */
async function deadlineOnTheWall(): Promise<number> {
  const { trials } = (await readEnforcement(host.context()))!;
  const state = SharedState.find(kernel(), host.pins)!;
  const words = state.confirmWords();
  const deadlineNs = trials.length > 0 ? words.get(trials[0].word) : pendingGate(state)!.deadlineNs;
  words.close();
  state.close();
  if (typeof deadlineNs !== 'bigint') throw new Error(`the word of what waits is "${deadlineNs}"`);
  return wallTimeOf(deadlineNs);
}

test(`${ROUNDS} rounds: who asks anew is back at once, and the old session goes on`, async () => {
  for (let round = 0, seconds = 5; round < ROUNDS;) {
    const isAlone = round % 2 === 1;
    if (isAlone) host.write('rules.yaml', NOBODY);
    const file = join(host.directory, isAlone ? 'rules.yaml' : 'nobody.yaml');
    const killed = await host.sluice(['apply', file, '--confirm', `${seconds}s`], {
      SLUICE_FAILPOINT: 'after-gate:kill',
    });
    expect(killed.status).toBe(137);
    const cut = Date.now();
    const deadline = await deadlineOnTheWall();
    await sleep(deadline - Date.now());
    const after = (kind: Answer['kind']): Answer[] =>
      answers().filter((answer) => answer.kind === kind && answer.answered > deadline);
    /** The first that were asked once it was over. */
    const firstAsked = (kind: Answer['kind']): number[] =>
      told()
        .flatMap((line) =>
          line.kind === kind && line.answered === undefined && line.asked! > deadline + CLOCKS_MS ? [line.asked!] : [],
        )
        .slice(0, BACK_WITHIN_PROBES);
    const isBack = (kind: Answer['kind']): boolean => after(kind).some(({ asked }) => firstAsked(kind).includes(asked));
    // Of those first ones an answer may be on its way.
    const isSettled = (): boolean => after('session').length > 0 && isBack('tcp') && isBack('udp');
    while (!isSettled() && Date.now() < deadline + SESSION.patienceMs) await sleep(50);
    // Nothing got through while it judged: what was asked after the cut has no answer before the deadline.
    expect(answers().filter(({ asked, answered }) => asked > cut && answered < deadline - CLOCKS_MS)).toEqual([]);
    expect({ tcp: isBack('tcp'), udp: isBack('udp') }).toEqual({ tcp: true, udp: true });
    const back = Math.min(...after('session').map(({ answered }) => answered)) - deadline;
    expect(back).toBeLessThanOrEqual(Math.max(SESSION.withinMs, deadline - cut + SESSION.afterCutMs));
    expect(client.output).not.toContain('the session');
    // The first command since finds it, says so and tidies up; nothing of the change is left.
    const { stderr } = await host.sluice(['status']);
    const what = isAlone ? 'of inbound' : '\\(generation \\d+\\)';
    const now = isAlone ? 'the rows before judge again' : 'generation \\d+ judges again';
    expect(stderr).toMatch(new RegExp(`note: the change of .* ${what} was not confirmed within ${seconds} s: ${now}`));
    host.write('rules.yaml', SOME);
    expect(await host.must('apply')).toContain('no changes');
    // So little time was left that nobody asked in vain: once more, with more of it.
    if (deadline - cut < 1000) seconds *= 2;
    else round++;
    expect(host.records()).toHaveLength(1);
  }
});
