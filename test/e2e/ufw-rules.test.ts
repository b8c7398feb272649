/** `init` on a machine with ufw: rules that ufw itself wrote are proposed as rows, and they are rows of ours. */
import { appendFileSync, cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { COMMAND, EdgeHost } from '../support/edge-host';
import { copyEtc, withEtc } from '../support/test-tools';
import { Ufw } from '../support/ufw';

/** What is told to ufw, and the row that `init` makes of it. */
const RULES: readonly (readonly [ufw: string, row: string])[] = [
  ['allow 22/tcp', 'allow 22/tcp'],
  ['allow proto tcp from 203.0.113.0/24 to any port 8000', 'allow from 203.0.113.0/24 to any port 8000 proto tcp'],
  ['deny 8000:8100/udp', 'deny 8000:8100/udp'],
  ['deny from 192.0.2.66', 'deny from 192.0.2.66 to any'],
  ['allow 80,443/tcp', 'allow 80,443/tcp'],
  ['limit 2200/tcp', 'limit 2200/tcp'],
  ['allow from 2001:db8:7::/48 to any port 443', 'allow from 2001:db8:7::/48 to any port 443'],
];

let host: EdgeHost;

beforeEach(async () => {
  host = await EdgeHost.open('ufw');
});

afterEach(() => host.close());

async function proposal(etc: string): Promise<string> {
  const { status, stdout, stderr } = await host.command(
    withEtc(etc, [process.execPath, COMMAND, 'init', '--print', '--file', join(host.directory, 'new.yaml')]),
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
}

test('the rules of an active ufw are proposed in their order, and check takes them', async () => {
  const ufw = Ufw.create(host.edge, host.directory);
  for (const [rule] of RULES) ufw.run(rule);
  ufw.run('deny out 25');
  const etc = copyEtc(host.directory);
  cpSync(join(ufw.root, 'etc/ufw'), join(etc, 'ufw'), { recursive: true });
  expect(readFileSync(join(etc, 'ufw/user.rules'), 'utf8')).toContain('### tuple ### allow tcp 22 ');

  // ufw writes its rules also while it is off; only an active one filters.
  expect(await proposal(etc)).not.toContain('ufw');
  appendFileSync(join(etc, 'ufw/ufw.conf'), 'ENABLED=yes\n');
  const text = await proposal(etc);
  const [, behind] = text.split('# ufw is active on this machine and goes on filtering behind sluice. Its rules:\n');
  const rows = [...behind.matchAll(/^ {4}# - (.*)$/gm)].map(([, row]) => row);
  expect(rows).toEqual(RULES.map(([, row]) => row));

  const taken = text.replace(/^( {4})# (- (?!limit))/gm, '$1$2');
  const file = host.write('taken.yaml', taken);
  const { status, stdout, stderr } = await host.sluice(['check', file]);
  expect({ status, stderr }).toMatchObject({ status: 0 });
  expect(stdout).toContain(`${RULES.length - 1} rules`);
});
