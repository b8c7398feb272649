/** What sluice does for root alone with the ruleset file and those it names: whose they may be, whose they stay. */
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { readRulesetText, writeRulesetText } from '../../src/operate/ruleset-file';
import { Firewall } from '../../src/operate/firewall';
import { EdgeHost } from '../support/edge-host';

let folder: string;
let file: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-owners-'));
  file = path.join(folder, 'rules.yaml');
  fs.writeFileSync(file, 'version: 1\n', { mode: 0o640 });
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

const expectRead = (): void => expect(readRulesetText(file).text).toBe('version: 1\n');
const expectUnsafe = (): void =>
  expect(() => readRulesetText(file)).toThrow(expect.objectContaining({ code: 'file/unsafe' }) as Error);

test('a file that others may write is refused', () => {
  fs.chmodSync(file, 0o666);
  expectUnsafe();
  fs.chmodSync(file, 0o664);
  expectRead();
  fs.chownSync(file, 0, 100);
  expectUnsafe();
});

test('a file in a folder where others may replace it is refused', () => {
  fs.chmodSync(folder, 0o777);
  expectUnsafe();
  fs.chmodSync(folder, 0o1777);
  expectRead();
});

test('writing keeps whose file it is', () => {
  fs.chownSync(file, 1000, 1001);
  const written = writeRulesetText(file, 'version: 1\n# new\n', readRulesetText(file).digest);
  expect(written.digest).toBe(readRulesetText(file).digest);
  const { mode, uid, gid } = fs.statSync(file);
  expect([mode & 0o7777, uid, gid]).toEqual([0o640, 1000, 1001]);
});

describe('a set file', () => {
  const RULES = `version: 1
interfaces: [eth0]
sets: { friends: { file: lists/friends.netset } }
inbound: { default: deny, rules: [allow from friends to any port 8000] }
`;
  let host: EdgeHost;
  let list: string;
  beforeEach(async () => {
    host = await EdgeHost.open('set-file');
    fs.mkdirSync(path.join(host.directory, 'lists'));
    list = host.write('lists/friends.netset', '203.0.113.0/24\n');
    host.write('rules.yaml', RULES);
  });
  afterEach(() => host.close());

  test('that others may write, or replace, is refused by every command that reads it', async () => {
    const expectRefused = async (...words: string[]): Promise<void> => {
      const { status, stderr } = await host.sluice(words);
      expect({ words, status, stderr }).toEqual({
        words,
        status: 3,
        stderr: expect.stringMatching(
          /error parse\/set-file: the file "lists\/friends.netset" of set "friends"/,
        ) as string,
      });
    };
    await host.must('apply');
    const enforced = await host.status();
    const text = fs.readFileSync(path.join(host.directory, 'rules.yaml'), 'utf8');
    for (const [opened, mode, closed] of [
      [list, 0o666, 0o644],
      [path.dirname(list), 0o777, 0o755],
    ] as const) {
      fs.chmodSync(opened, mode);
      await expectRefused('check');
      await expectRefused('compile');
      await expectRefused('plan');
      await expectRefused('apply');
      await expectRefused('enable');
      await expectRefused(
        'explain',
        '--file',
        path.join(host.directory, 'rules.yaml'),
        'tcp 192.0.2.1:9 -> 192.0.2.10:80',
      );
      await expectRefused('allow', '22/tcp');
      fs.chmodSync(opened, closed);
      expect((await host.sluice(['check'])).status).toBe(0);
    }
    expect(fs.readFileSync(path.join(host.directory, 'rules.yaml'), 'utf8')).toBe(text);
    expect((await host.status()).generation).toBe(enforced.generation);
  });

  test('says who may write it and how to mend that, to programs too', async () => {
    fs.chmodSync(list, 0o666);
    const firewall = await Firewall.open({ netns: host.edge.path });
    const applied = await firewall.apply(path.join(host.directory, 'rules.yaml'));
    expect(applied).toMatchObject({
      kind: 'refused',
      diagnostics: [{ code: 'parse/set-file', hint: `chmod go-w ${list}` }],
    });
    expect(applied.diagnostics[0].message).toContain(`"${list}" can be written by everybody`);
  });
});
