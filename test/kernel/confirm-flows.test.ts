/**
 * Flows while `outbound` waits to be confirmed by itself: what its rows let out is judged anew once those before judge
 * again, as by another generation; the model agrees on every frame.
 */
import { measureHz } from '../../src/kernel/clock';
import { kernel } from '../../src/kernel/native';
import { parseRuleset } from '../../src/parse/parse';
import { closesAfterEach } from '../support/close-after';
import { ConfirmStand } from '../support/confirm-stand';
import { FlowStand, FlowTable, type TimeoutSeconds } from '../support/flow-stand';
import { paced } from '../support/pace';
import * as p from '../support/packet';

const { source4, destination4 } = p.DEFAULTS;
const HEAD = 'version: 1\ninbound: { default: deny }\n';
const CLOSED = `${HEAD}outbound: { default: deny, rules: [allow out 443/tcp] }\n`;
const OPEN = `${HEAD}outbound: { default: allow }\n`;
const WORD = 4;
const HOUR_NS = 3_600_000_000_000n;
/** Seconds of the shortest time that is waited for. */
const SHORT = 0.25;

const out = (port: number, ...flags: p.TcpFlag[]): Uint8Array =>
  p.compose(p.ipv4({ from: destination4, to: source4 }), p.tcp({ from: 40000, to: port, flags }));
const back = (port: number): Uint8Array => p.compose(p.ipv4(), p.tcp({ from: port, to: 40000, flags: ['ack'] }));

const BY_DEFAULT = { passed: true, reason: 'default' } as const;
const BY_RULE = { passed: true, reason: 'rule' } as const;
const BY_FLOW = { passed: true, reason: 'flow' } as const;
const DENIED = { passed: false, reason: 'default' } as const;

const opened = closesAfterEach();

/** `outbound` waits for an hour, over the rows before. */
async function stand(after: string, before: string, timeouts?: TimeoutSeconds): Promise<[FlowStand, () => void]> {
  const table = await FlowTable.create(64, await measureHz(kernel()));
  const confirm = await ConfirmStand.create();
  confirm.words.set(WORD, kernel().bootTimeNs() + HOUR_NS);
  const { outbound } = parseRuleset(before, { file: 'before.yaml' }).ruleset!;
  const trials = [{ previous: outbound, word: WORD }];
  const host = await FlowStand.load(after, table, {
    ...{ trials, confirm: confirm.map },
    ...(timeouts && { timeouts }),
  });
  opened.push(host, table, confirm);
  const end = (): void => {
    confirm.words.set(WORD, kernel().bootTimeNs());
    host.returned = new Set(['outbound']);
  };
  return [host, end];
}

test('what the waiting rows let out is refused with its next packet, and then nothing comes in by it', async () => {
  const [host, end] = await stand(OPEN, CLOSED);
  for (const flags of [['syn'], ['ack']] as p.TcpFlag[][]) await host.out(out(80, ...flags));
  expect(await host.out(out(80, 'ack'))).toEqual(BY_FLOW);
  expect(await host.in(back(80))).toEqual(BY_FLOW);
  end();
  // Nothing has gone out since: an idle connection is not cut by what comes in, for a while.
  expect(await host.in(back(80))).toEqual(BY_FLOW);
  expect(await host.out(out(80, 'ack'))).toEqual(DENIED);
  expect(await host.in(back(80))).toEqual(DENIED);
  expect(await host.out(out(80, 'syn'))).toEqual(DENIED);
  expect(await host.in(back(80))).toEqual(DENIED);
});

test('where nothing goes out, what comes in passes no longer than a doubt lasts', () =>
  paced(SHORT, async (pace) => {
    const [host, end] = await stand(OPEN, CLOSED, { DOUBTED: pace.unit });
    for (const flags of [['syn'], ['ack']] as p.TcpFlag[][]) await host.out(out(80, ...flags));
    end();
    pace.begin();
    expect(await host.in(back(80))).toEqual(BY_FLOW);
    await pace.pause(2);
    expect(await host.in(back(80))).toEqual(DENIED);
  }));

test('what both states let out goes on, and is judged anew once', async () => {
  const [host, end] = await stand(OPEN, CLOSED);
  for (const flags of [['syn'], ['ack']] as p.TcpFlag[][]) await host.out(out(443, ...flags));
  end();
  expect(await host.out(out(443, 'ack'))).toEqual(BY_RULE);
  expect(await host.out(out(443, 'ack'))).toEqual(BY_FLOW);
  expect(await host.in(back(443))).toEqual(BY_FLOW);
});

test('what the waiting rows refused goes out by those before, and opens a flow', async () => {
  const [host, end] = await stand(CLOSED, OPEN);
  expect(await host.out(out(80, 'syn'))).toEqual(DENIED);
  expect(await host.in(back(80))).toEqual(DENIED);
  end();
  expect(await host.out(out(80, 'syn'))).toEqual(BY_DEFAULT);
  expect(await host.in(back(80))).toEqual(BY_FLOW);
  // The generation that comes when somebody tidies up judges anew once more.
  const next = await FlowStand.load(OPEN, host.table, { generation: 2 });
  opened.unshift(next);
  expect(await next.out(out(80, 'ack'))).toEqual(BY_DEFAULT);
  expect(await next.out(out(80, 'ack'))).toEqual(BY_FLOW);
});
