/** Another version of sluice with the same layouts: the same ruleset is enforced by its programs, at the next apply. */
import { appendFileSync, cpSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { SLC_ABI_VERSION } from '../../src/abi/layout.gen';
import { STATE_PINS } from '../../src/kernel/pins';
import { COMMAND, EdgeHost } from '../support/edge-host';

let host: EdgeHost;

beforeEach(async () => {
  host = await EdgeHost.open('version');
});

afterEach(() => host.close());

/** A copy of this package whose datapath differs in its bytes, though not in what it does. */
function otherVersion(): string {
  const root = join(host.directory, 'other');
  cpSync(resolve(COMMAND, '../..'), join(root, 'dist'), { recursive: true });
  for (const name of ['build', 'node_modules', 'package.json'])
    symlinkSync(resolve(COMMAND, '../../..', name), join(root, name));
  appendFileSync(join(root, 'dist/bpf/sluice.bpf.o'), 'x');
  return join(root, 'dist/cli/main.js');
}

test('its programs take over at the next apply, without an unfiltered moment; hits go on', async () => {
  host.write('rules.yaml', 'version: 1\ninterfaces: [eth0]\ninbound: { default: allow, rules: [deny 14141] }\n');
  await host.must('enable');
  expect(await host.must('apply')).toContain('no changes');
  await host.wire.run(['nc', '-z', '-w', '1', '192.0.2.10', '14141']);
  const hits = async (): Promise<string> =>
    (await host.status()).sections[0].rows.find(({ id }) => id === 'deny-14141')!.packets;
  const before = await hits();
  expect(BigInt(before)).toBeGreaterThan(0n);

  const other = otherVersion();
  const taken = await host.command([process.execPath, other, 'apply']);
  expect(taken).toMatchObject({ status: 0 });
  expect(taken.stdout).toContain('applied: generation 2');
  expect((await host.command([process.execPath, other, 'apply'])).stdout).toContain('no changes');
  expect(await hits()).toBe(before);
  expect(await host.must('apply')).toContain('applied: generation 3');
});

test('a version with other layouts touches nothing, says which they are, and can end it', async () => {
  host.write('rules.yaml', 'version: 1\ninterfaces: [eth0]\ninbound: { default: allow, rules: [deny 14141] }\n');
  await host.must('enable');
  const other = otherVersion();
  const layout = join(host.directory, 'other/dist/abi/layout.gen.js');
  const line = `exports.SLC_ABI_VERSION = ${SLC_ABI_VERSION};`;
  expect(readFileSync(layout, 'utf8')).toContain(line);
  writeFileSync(layout, readFileSync(layout, 'utf8').replace(line, line.replace(/\d+/, String(SLC_ABI_VERSION + 1))));
  const refused = {
    status: 1,
    stderr: expect.stringContaining(
      `has layout ${SLC_ABI_VERSION}, this sluice knows ${SLC_ABI_VERSION + 1}`,
    ) as string,
  };
  expect(await host.command([process.execPath, other, 'apply'])).toMatchObject(refused);
  // A map that the older version did not know is no damage.
  const pin = host.pins.state(STATE_PINS.events);
  renameSync(pin, `${pin}_aside`);
  expect(await host.command([process.execPath, other, 'apply'])).toMatchObject(refused);
  renameSync(`${pin}_aside`, pin);
  expect(await host.must('apply')).toContain('no changes');
  expect(await host.command([process.execPath, other, 'disable', '--yes'])).toMatchObject({ status: 0 });
  await host.recount('what another version counted cannot be read');
  expect(host.pinned()).toEqual([]);
});
