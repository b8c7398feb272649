/** Verbs edit the file and apply it: neither half may be lost when something goes wrong in between. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Snapshot } from '../../src/observe/snapshot';
import { sendFrames } from '../support/clients';
import { COMMAND, EdgeHost, HOST, NEIGHBOUR } from '../support/edge-host';
import { compose, ethernet, ipv4, tcp } from '../support/packet';
import type { Finished } from '../support/process';
import { inboundRows } from '../support/snapshot-rows';

/** To ports that verbs of the tests open, and to one they never do. */
const FRAMES = [8000, 9000, 7].map((to) =>
  compose(ethernet({ to: HOST.mac }), ipv4({ to: HOST.ipv4 }), tcp({ to, flags: ['ack'] })),
);

let host: EdgeHost;
let directory: string;

beforeEach(async () => {
  host = await EdgeHost.open('verbs');
  ({ directory } = host);
  host.write('rules.yaml', 'version: 1\ninterfaces: [eth0]\ninbound: { default: deny }\n');
  expect(await sluice('enable')).toMatchObject({ status: 0 });
  await sendFrames(host.wire, NEIGHBOUR.link, FRAMES);
});

afterEach(async () => {
  // Whatever failed, not a frame before or after it is lost or counted twice.
  await sendFrames(host.wire, NEIGHBOUR.link, FRAMES);
  await host.close();
});

/** Runs the words of a shell behind `sluice`. */
function sluice(words: string, environment: NodeJS.ProcessEnv = {}): Promise<Finished> {
  return host.command(['bash', '-c', `'${process.execPath}' '${COMMAND}' ${words}`], environment);
}

async function enforcedPorts(): Promise<string[]> {
  const { stdout } = await sluice('status --json');
  return inboundRows((JSON.parse(stdout) as { snapshot: Snapshot }).snapshot).map((row) => row.to);
}

function fileText(): string {
  return readFileSync(join(directory, 'rules.yaml'), 'utf8');
}

test('a verb whose output nobody reads is enforced all the same', async () => {
  expect(await sluice('allow 8000/tcp | true; exit ${PIPESTATUS[0]}')).toMatchObject({ status: 0 });
  expect(await enforcedPorts()).toContain('8000/tcp');
});

test('what failed before the gate changed is neither enforced nor left in the file', async () => {
  const before = fileText();
  const { status, stderr } = await sluice('allow 8000/tcp', { SLUICE_FAILPOINT: 'after-slot:error' });
  expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining('put back') as string });
  expect(await enforcedPorts()).not.toContain('8000/tcp');
  expect(fileText()).toBe(before);
});

test.each(['after-gate', 'after-retire', 'after-enforced'])(
  'what failed at %s is enforced, stays in the file, and the message says so',
  async (place) => {
    const { status, stderr } = await sluice('allow 8000/tcp', { SLUICE_FAILPOINT: `${place}:error` });
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringContaining('new ruleset enforces') as string,
    });
    expect(await enforcedPorts()).toContain('8000/tcp');
    expect(fileText()).toContain('8000');
    expect(await sluice('apply')).toMatchObject({ status: 0, stdout: expect.stringContaining('no changes') as string });
    expect(await sluice('allow 9000/tcp')).toMatchObject({ status: 0 });
    expect(await enforcedPorts()).toEqual(expect.arrayContaining(['8000/tcp', '9000/tcp']));
  },
);

test('a ruleset that differs only in a note changes nothing in the kernel, and status shows the note', async () => {
  const rows = (note: string): string =>
    `version: 1\ninterfaces: [eth0]\ninbound:\n  rules:\n    - { action: allow, port: 8000/tcp, note: ${note} }\n`;
  writeFileSync(join(directory, 'rules.yaml'), rows('old'));
  expect(await sluice('apply')).toMatchObject({ status: 0 });
  writeFileSync(join(directory, 'rules.yaml'), rows('new'));
  expect(await sluice('apply')).toMatchObject({ status: 0, stdout: expect.stringContaining('no changes') as string });
  expect((await sluice('status')).stdout).toContain('# new');
});

test('apply says when another file becomes the enforced one, and verbs never change a file that was not meant', async () => {
  const other = join(directory, 'other.yaml');
  writeFileSync(other, fileText());
  expect((await sluice(`apply ${other}`)).stderr).toContain(`the enforced file is now ${other} (was `);
  const refused = await sluice(`--file ${join(directory, 'rules.yaml')} allow 8000/tcp`);
  expect(refused).toMatchObject({ status: 1 });
  expect(refused.stderr).toContain(`is not the enforced file, which is "${other}"`);
  expect(await sluice(`--file ${other} allow 8000/tcp`)).toMatchObject({ status: 0 });
  expect(readFileSync(other, 'utf8')).toContain('8000/tcp');
  expect(fileText()).not.toContain('8000/tcp');
});

test('a ruleset from standard input has no file that a verb could change', async () => {
  expect(await sluice(`apply - < ${join(directory, 'rules.yaml')}`)).toMatchObject({ status: 0 });
  const refused = await sluice('allow 8000/tcp');
  expect(refused).toMatchObject({ status: 1 });
  expect(refused.stderr).toContain('read from standard input');
});

test('a verb does not call a file unenforced when only the record of the enforced one is lost', async () => {
  rmSync(join(directory, 'state'), { recursive: true });
  const before = fileText();
  const refused = await sluice('allow 8000/tcp');
  expect(refused).toMatchObject({ status: 1 });
  expect(refused.stderr).toContain('the record of its file is lost');
  expect(fileText()).toBe(before);
  expect(await sluice(`apply ${join(directory, 'rules.yaml')}`)).toMatchObject({ status: 0 });
  await host.recount('the state directory was removed, and the record of the rules with it');
  expect(await sluice('allow 8000/tcp')).toMatchObject({ status: 0 });
});

test.each([
  ['insert 1', 'the rule is missing'],
  ["insert 1 '# x'", 'the rule is missing'],
  ['default deny incoming extra', '"extra" has no place'],
  [`allow 22 comment "both ' and \\""`, 'both kinds of quotes'],
])('wrong usage: %s', async (words, said) => {
  const { status, stderr } = await sluice(words);
  expect(status).toBe(2);
  expect(stderr).toContain(said);
});

test('a comment with an apostrophe is kept as it is', async () => {
  expect(await sluice(`allow 8000/tcp comment "it's mine"`)).toMatchObject({ status: 0 });
  expect((await sluice('status')).stdout).toContain("# it's mine");
});
