/**
 * The model and the datapath disagree: what nobody hopes to see is an error, told with both answers. Provoked by an image
 * that was compiled from another ruleset than the one it is judged against; the programs, and what they say, are real.
 */
import { join } from 'node:path';
import { writePcap } from '../../src/observe/pcap';
import { COMMAND, EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';
import { writeModuleCommand } from '../support/module-command';
import { compose, ethernet, ipv4, tcp, udp } from '../support/packet';
import { writeFileSync } from 'node:fs';

const RULES =
  'version: 1\ninterfaces: [eth0]\ninbound:\n  default: deny\n  ssh: { port: 22, from: anyone }\n  rules: [allow 8000/tcp, allow 53/udp]\n';
const PROBE = `explain tcp from ${NEIGHBOUR.ipv4} to ${HOST.ipv4} port 8000`.split(' ');

let host: EdgeHost;
/** A command that compiles images from the ruleset without its first row. */
let damaged: readonly string[];

beforeEach(async () => {
  host = await EdgeHost.open('disagree');
  host.write('rules.yaml', RULES);
  const hook = host.write(
    'damage.js',
    `const stage = require(${JSON.stringify(join(COMMAND, '../../compile/compile.js'))});
const { compile } = stage;
stage.compile = (ruleset) => {
  const { inbound } = ruleset;
  return compile({ ...ruleset, inbound: { ...inbound, rules: inbound.rules.slice(1) } });
};
`,
  );
  damaged = [process.execPath, '--require', hook, writeModuleCommand(host.directory)];
});
afterEach(() => host.close());

test('replay: the line is printed, the packet named with both answers, exit 1', async () => {
  const to = { link: ethernet({ to: HOST.mac }), network: ipv4({ to: HOST.ipv4 }) };
  const frames = [compose(to.link, to.network, udp({ to: 53 })), compose(to.link, to.network, tcp({ to: 8000 }))];
  const capture = join(host.directory, 'frames.pcap');
  writeFileSync(capture, writePcap(frames.map((bytes) => ({ bytes }))));
  const words = ['replay', '--pcap', capture];
  expect(await host.sluice(words)).toMatchObject({ status: 0, stderr: '' });
  const { status, stdout, stderr } = await host.command([...damaged, ...words]);
  expect(status).toBe(1);
  expect(
    stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { verdict: string }).verdict),
  ).toEqual(['allow', 'deny']);
  expect(stderr).toMatch(
    /^error: packet 2: the model says \{.*"allow".*"rule":"allow-8000_tcp"\}, the datapath \{.*"deny".*"default".*\}\n$/,
  );
  expect(await host.command([...damaged, ...words, '--model'])).toMatchObject({ status: 0 });
});

test('explain: of a file, and of what enforces', async () => {
  const expectDisagreement = async (command: readonly string[]): Promise<void> => {
    const { status, stdout } = await host.command([...command, ...PROBE, '--json']);
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      error: {
        code: 'operate/disagree',
        message: expect.stringMatching(/^the model says \{.*"allow".*\}, the datapath \{.*"deny".*\}$/) as string,
        hint: expect.stringContaining('please report it') as string,
      },
    });
  };
  expect(await host.must(...PROBE)).toContain('the model and the datapath program agree');
  await expectDisagreement(damaged);
  expect(await host.command([...damaged, 'apply'])).toMatchObject({ status: 0 });
  // Nothing is damaged any more but what enforces.
  await expectDisagreement([process.execPath, COMMAND]);
  await host.must('disable', '--yes');
  expect(await host.must(...PROBE)).toContain('the model and the datapath program agree');
});
