/** What a change would do to packets, and that it does: what `plan` and `apply` say against real connections. */
import { writeFileSync } from 'node:fs';
import { type EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';
import { inboundRules } from '../support/ruleset-text';
import { A, B, TwoPorts } from '../support/two-ports';

let ports: TwoPorts;
let host: EdgeHost;
let file: string;

beforeEach(async () => {
  ports = await TwoPorts.open('plan');
  ({ host } = ports);
  file = ports.file('rules.yaml');
});

afterEach(() => ports.close());

const json = async (...words: string[]): Promise<Record<string, unknown>> =>
  JSON.parse((await host.sluice([...words, '--json'])).stdout) as Record<string, unknown>;

test('plan says which packets fare otherwise, apply says it too, and so it is', async () => {
  expect(await host.must('plan')).toContain('nothing is filtered now: every packet passes\n');
  await host.must('apply');
  expect(await host.must('plan')).toBe('no changes\n');
  expect(await ports.reached()).toEqual([A]);

  writeFileSync(
    file,
    inboundRules(`deny ${A}/tcp`, `allow ${A}/tcp`, `allow from ${NEIGHBOUR.ipv4} to any port ${B} proto tcp`),
  );
  const planned = await host.must('plan');
  expect(planned).toContain(`  allow → deny  tcp from any to any port ${A}\n`);
  expect(planned).toContain(`  deny → allow  tcp from ${NEIGHBOUR.ipv4} to any port ${B}\n`);
  expect(await ports.reached()).toEqual([A]);

  // The example of each region, asked of the datapath, gets what is said before and after.
  const { packets } = (await json('plan')) as {
    packets: {
      exact: boolean;
      changes: { from: { verdict: string }; to: { verdict: string }; regions: { example: { packet: string } }[] }[];
    };
  };
  expect(packets.exact).toBe(true);
  const examples = packets.changes.flatMap(({ from, to, regions }) =>
    regions.map(({ example }) => ({ packet: example.packet.split(' '), from: from.verdict, to: to.verdict })),
  );
  const verdict = async (packet: string[]): Promise<unknown> =>
    ((await json('explain', ...packet)).kernel as { verdict: string }).verdict;
  for (const { packet, from } of examples) expect(await verdict(packet)).toBe(from);
  const applied = await host.sluice(['apply']);
  expect(applied.stderr).toContain(planned.trimEnd());
  expect(applied.stdout).toMatch(/^applied: generation 2, 3 rules, on eth0/);
  for (const { packet, to } of examples) expect(await verdict(packet)).toBe(to);
  expect(await ports.reached()).toEqual([B]);

  writeFileSync(file, inboundRules(`deny ${A}/tcp`, `allow from ${NEIGHBOUR.ipv4} to any port ${B} proto tcp`));
  expect(await host.must('plan')).toMatch(/1 removed\nno packet changes its verdict\n$/);
});

test('an interface that is not there: apply would refuse it, and plan says so beside its plan', async () => {
  await host.must('apply');
  writeFileSync(file, inboundRules(`allow ${B}/tcp`).replace('[eth0]', '[eth0, eth9]'));
  const planned = await host.sluice(['plan']);
  expect(planned).toMatchObject({ status: 0, stdout: expect.stringContaining(`port ${B}`) as string });
  expect(planned.stderr).toMatch(/warning: apply would refuse this: .*"eth9"/);
  expect((await host.sluice(['apply'])).status).toBe(1);
});

test('a dry run changes nothing, and is refused where the apply would be', async () => {
  expect(await host.must('apply', '--dry-run')).toBe('dry run: nothing was changed; the verifier takes this ruleset\n');
  expect(host.pinned()).toEqual([]);
  await host.must('apply');
  expect((await host.sluice(['apply', '--dry-run', '--exit-code'])).status).toBe(0);
  writeFileSync(file, inboundRules(`allow ${B}/tcp`));
  const [pins, records] = [host.pinned(), host.records()];
  expect(await json('apply', '--dry-run')).toMatchObject({
    exitCode: 0,
    outcome: 'would-apply',
    packets: { exact: true },
  });
  expect((await host.sluice(['apply', '--dry-run', '--exit-code'])).status).toBe(4);
  const caller = { SSH_CONNECTION: `${NEIGHBOUR.ipv4} 50000 ${HOST.ipv4} 22` };
  const refused = await host.sluice(['apply', '--dry-run', '--json'], caller);
  expect(refused.status).toBe(5);
  expect(JSON.parse(refused.stdout)).toMatchObject({ error: { code: 'operate/lockout' } });
  expect({ pins: host.pinned(), records: host.records() }).toEqual({ pins, records });
  expect(await host.status()).toMatchObject({ generation: 1, warnings: [] });
  expect(await ports.reached()).toEqual([A]);
});
