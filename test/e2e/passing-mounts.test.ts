/** `ip netns exec` gives a command mounts of its own: what is pinned there ends with it, and what is elsewhere it does not see. */
import { serve, tcpConnect } from '../support/clients';
import { COMMAND, EdgeHost, HOST } from '../support/edge-host';
import { must, run } from '../support/process';

const PORT = 14141;

let host: EdgeHost;

beforeEach(async () => {
  host = await EdgeHost.open('mounts');
  await serve(host.edge, [`tcp:${PORT}`]);
});

// Nothing was ever filtered: that the driver and sluice counted no frame is compared all the same.
afterEach(() => host.close());

test.each(['apply', 'status'])('%s under `ip netns exec` is refused, and tells what to do', async (verb) => {
  const file = host.write('rules.yaml', 'version: 1\ninterfaces: [eth0]\ninbound: { default: deny }\n');
  const environment: NodeJS.ProcessEnv = { ...host.environment };
  delete environment.SLUICE_BPFFS;
  const inside = ['ip', 'netns', 'exec', host.edge.name, process.execPath, COMMAND, verb, '--file', file, '--json'];
  const { status, stdout } = await run(inside, { env: environment });
  expect(status).toBe(1);
  const { error } = JSON.parse(stdout) as { error: { code: string; hint: string } };
  expect(error.code).toBe('kernel/mounts');
  expect(error.hint).toContain('--netns');
  expect(must(['ip', '-n', host.edge.name, 'link', 'show', HOST.link])).not.toContain('xdp');
  expect(await tcpConnect(host.wire, HOST.ipv4, PORT)).toBe('connected');
});
