/** Rulesets whose servers are files of a folder: read, refused and exchanged as one text. */
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { splitBundle } from '../../../src/parse/bundle';
import { renderTextDiff } from '../../../src/operate/ruleset-diff';
import { readRulesetText, writeRulesetText } from '../../../src/operate/ruleset-file';

const MAIN = 'version: 1\nservers: { dir: servers.d }\n';
let folder: string;
let file: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-folder-'));
  fs.mkdirSync(path.join(folder, 'servers.d'));
  file = put('rules.yaml', MAIN);
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

function put(name: string, text: string): string {
  fs.writeFileSync(path.join(folder, name), text, { mode: 0o640 });
  return path.join(folder, name);
}
const there = (name: string): string | null => {
  const full = path.join(folder, name);
  return fs.existsSync(full) ? fs.readFileSync(full, 'utf8') : null;
};
const namesThere = (): string[] => fs.readdirSync(path.join(folder, 'servers.d')).sort();
const refusal = (action: () => unknown): string => {
  try {
    action();
  } catch (error) {
    return `${(error as { code: string }).code}: ${(error as Error).message.replaceAll(folder, '')}`;
  }
  return 'nothing was refused';
};
/** The text with one file exchanged, as a verb makes it. */
const edited = (text: string, from: string, to: string): string => {
  expect(text).toContain(from);
  return text.replace(from, to);
};

test('servers are *.yaml, *.yml and *.json; what editors leave beside them is nothing', () => {
  for (const name of ['b.yaml', 'a.yml', 'c.json']) put(`servers.d/${name}`, '# x');
  for (const name of [
    '.hidden.yaml',
    '.b.yaml.swp',
    '.#b.yaml',
    'b.yaml~',
    '#b.yaml#',
    'b.yaml.bak',
    'README',
    'b.yaml.orig',
  ])
    put(`servers.d/${name}`, 'not: [a server');
  fs.mkdirSync(path.join(folder, 'servers.d', 'old'));
  expect(splitBundle(readRulesetText(file).text).parts.map((part) => part.path)).toEqual([
    'servers.d/a.yml',
    'servers.d/b.yaml',
    'servers.d/c.json',
  ]);
});

test('what is no server is refused, and named', () => {
  const folderIs = (make: () => void): string => {
    fs.rmSync(path.join(folder, 'servers.d'), { recursive: true });
    make();
    const said = refusal(() => readRulesetText(file));
    fs.rmSync(path.join(folder, 'servers.d'), { recursive: true, force: true });
    fs.mkdirSync(path.join(folder, 'servers.d'));
    return said;
  };
  expect(folderIs(() => undefined)).toBe(
    'file/servers: "/rules.yaml" names the folder "/servers.d" for its servers, and there is none',
  );
  expect(folderIs(() => put('servers.d', ''))).toMatch(/^file\/servers: "\/servers.d" is no folder/);
  expect(folderIs(() => fs.symlinkSync('/etc', path.join(folder, 'servers.d')))).toMatch(/is a symbolic link/);

  const partIs = (name: string, make: (full: string) => void): string => {
    const full = path.join(folder, 'servers.d', name);
    make(full);
    const said = refusal(() => readRulesetText(file));
    fs.rmSync(full, { recursive: true });
    return said;
  };
  const write = (text: string | Buffer) => (full: string) => fs.writeFileSync(full, text);
  expect(partIs('a.yaml', (full) => fs.symlinkSync('/etc/passwd', full))).toMatch(/^file\/servers: .*symbolic link/);
  expect(partIs('a.yaml', (full) => fs.mkdirSync(full))).toMatch(
    /^file\/not-regular: "\/servers.d\/a.yaml" is a folder/,
  );
  for (const name of ['a.YAML', 'a.Yml', 'A.JSON'])
    expect(partIs(name, write(''))).toMatch(/^file\/servers: .* holds "\w\.\w+", which is no server: their files end/);
  expect(partIs('a b.yaml', write(''))).toMatch(/^file\/servers: .*cannot name a server, "a b.yaml"/);
  expect(partIs('a\n\x1c\x1b[2J.yaml', write(''))).toMatch(/^file\/servers: .*cannot name a server/);
  expect(partIs('inbound.yaml', write(''))).toMatch(/^file\/servers: .*cannot name a server/);
  expect(partIs(`${'x'.repeat(80)}.yaml`, write(''))).toMatch(/^file\/servers: .*cannot name a server/);
  expect(partIs('a.yaml', write(Buffer.from([0xff, 0xfe, 0x00])))).toMatch(/^file\/encoding: "\/servers.d\/a.yaml"/);
  expect(partIs('a.yaml', write('# ==== x\u001c# ==== servers.d/b.yaml ====\n'))).toMatch(/^file\/encoding: .*U\+001C/);
  expect(
    partIs('a.yaml', (full) => {
      fs.writeFileSync(full, '');
      fs.truncateSync(full, 65 * 1024 * 1024);
    }),
  ).toMatch(/^file\/too-large/);
  if (process.geteuid?.() === 0) {
    expect(
      partIs('a.yaml', (full) => {
        fs.writeFileSync(full, '');
        fs.chmodSync(full, 0o666);
      }),
    ).toMatch(/^file\/unsafe: "\/servers.d\/a.yaml"/);
    fs.chmodSync(path.join(folder, 'servers.d'), 0o1777);
    expect(refusal(() => readRulesetText(file))).toMatch(/^file\/unsafe: "\/servers.d" can be written by everybody/);
    fs.chmodSync(path.join(folder, 'servers.d'), 0o755);
  }
  expect(refusal(() => readRulesetText(file))).toBe('nothing was refused');
});

test('more files than there can be servers are not read', () => {
  for (let i = 0; i <= 4_000; i++) put(`servers.d/s${i}.yaml`, '');
  expect(refusal(() => readRulesetText(file))).toBe(
    'file/servers: "/servers.d" holds 4001 servers, a ruleset holds at most 4000',
  );
});

test('a change of one server exchanges its file alone', () => {
  put('servers.d/a.yaml', 'address: 192.0.2.1 # a\n');
  const b = put('servers.d/b.yaml', 'address: 192.0.2.2 # b');
  const [main, other] = [fs.statSync(file).ino, fs.statSync(b).ino];
  const read = readRulesetText(file);
  const written = writeRulesetText(file, edited(read.text, '192.0.2.1', '192.0.2.9'), read.digest);
  expect(written).toEqual(readRulesetText(file));
  expect([there('servers.d/a.yaml'), there('servers.d/b.yaml')]).toEqual([
    'address: 192.0.2.9 # a\n',
    'address: 192.0.2.2 # b',
  ]);
  expect([fs.statSync(file).ino, fs.statSync(b).ino]).toEqual([main, other]);
  expect(fs.statSync(path.join(folder, 'servers.d/a.yaml')).mode & 0o777).toBe(0o640);
  expect(namesThere()).toEqual(['a.yaml', 'b.yaml']);
});

test('files come and go with the text, and only where it names their folder', () => {
  put('servers.d/a.yaml', 'address: 192.0.2.1\n');
  put('servers.d/b.yaml', 'address: 192.0.2.2\n');
  const both = readRulesetText(file);
  fs.rmSync(path.join(folder, 'servers.d/b.yaml'));
  const one = readRulesetText(file);
  const back = writeRulesetText(file, both.text, one.digest);
  expect([back.digest, there('servers.d/b.yaml')]).toEqual([both.digest, 'address: 192.0.2.2\n']);
  writeRulesetText(file, one.text, back.digest);
  expect(namesThere()).toEqual(['a.yaml']);
  // Without servers their files stay; naming the folder again takes none that is not meant.
  const none = writeRulesetText(file, 'version: 1\n', one.digest);
  expect([there('rules.yaml'), namesThere()]).toEqual(['version: 1\n', ['a.yaml']]);
  put('servers.d/c.yaml', 'address: 192.0.2.3\n');
  expect(refusal(() => writeRulesetText(file, one.text, none.digest))).toMatch(/^file\/changed: "\/servers.d\/c.yaml"/);
  fs.rmSync(path.join(folder, 'servers.d/c.yaml'));
  expect(writeRulesetText(file, one.text, none.digest).digest).toBe(one.digest);
});

test('what somebody else changed in any of the files is not overwritten', () => {
  put('servers.d/a.yaml', 'address: 192.0.2.1\n');
  const read = readRulesetText(file);
  const next = edited(read.text, '192.0.2.1', '192.0.2.9');
  put('servers.d/b.yaml', 'address: 192.0.2.2\n');
  expect(refusal(() => writeRulesetText(file, next, read.digest))).toMatch(/^file\/changed: "\/rules.yaml"/);
  fs.rmSync(path.join(folder, 'servers.d/b.yaml'));
  put('servers.d/a.yaml', 'address: 192.0.2.3\n');
  expect(refusal(() => writeRulesetText(file, next, read.digest))).toMatch(/^file\/changed/);
  expect(there('servers.d/a.yaml')).toBe('address: 192.0.2.3\n');
});

test('where one of several files cannot be written, all are as they were', () => {
  put('servers.d/a.yaml', 'address: 192.0.2.1\n');
  put('servers.d/b.yaml', 'address: 192.0.2.2\n');
  const read = readRulesetText(file);
  process.env.SLUICE_FAILPOINT = 'between-files:error';
  try {
    expect(refusal(() => writeRulesetText(file, read.text.replaceAll('192.0.2', '192.0.3'), read.digest))).toMatch(
      /^load\/failpoint/,
    );
  } finally {
    delete process.env.SLUICE_FAILPOINT;
  }
  expect(readRulesetText(file)).toEqual(read);
  expect(namesThere()).toEqual(['a.yaml', 'b.yaml']);
});

test('a difference is told file by file', () => {
  put('servers.d/a.yaml', 'address: 192.0.2.1\n');
  const before = readRulesetText(file).text;
  put('servers.d/a.yaml', 'address: 192.0.2.9\n');
  put('servers.d/b.yaml', 'address: 192.0.2.2\n');
  expect(renderTextDiff(before, readRulesetText(file).text)).toBe(
    'servers.d/a.yaml:\n@@ -1,1 +1,1 @@\n- address: 192.0.2.1\n+ address: 192.0.2.9\n' +
      'servers.d/b.yaml (new):\n@@ -0,0 +1,1 @@\n+ address: 192.0.2.2\n',
  );
});

test('who exchanges one file looks at that one, and at what was put into the folder', () => {
  for (const name of ['a', 'b']) put(`servers.d/${name}.yaml`, `# ${name}\n`);
  const now = Date.now() + 60_000;
  const clock = jest.spyOn(Date, 'now').mockImplementation(() => now);
  const { text, digest } = readRulesetText(file);
  // Somebody writes into another file: that is as if he had done so a moment later.
  put('servers.d/b.yaml', '# B\n');
  const { digest: after } = writeRulesetText(file, edited(text, '# a\n', '# A\n'), digest);
  expect([there('servers.d/a.yaml'), there('servers.d/b.yaml')]).toEqual(['# A\n', '# B\n']);
  expect(readRulesetText(file).text).toBe(edited(edited(text, '# a\n', '# A\n'), '# b\n', '# B\n'));
  expect(readRulesetText(file).digest).not.toBe(after);
  // Into the one that is exchanged, and into the ruleset file.
  for (const [name, saved] of [
    ['servers.d/a.yaml', '# saved\n'],
    ['rules.yaml', `${MAIN}# saved\n`],
  ]) {
    const seen = readRulesetText(file);
    put(name, saved);
    expect(refusal(() => writeRulesetText(file, edited(seen.text, '# A\n', '# AA\n'), seen.digest))).toMatch(
      /^file\/changed/,
    );
    expect(there(name)).toBe(saved);
    put('servers.d/a.yaml', '# A\n');
  }
  // Put in, taken out, and exchanged for another.
  for (const change of [
    (): unknown => put('servers.d/c.yaml', '# c\n'),
    (): void => fs.rmSync(path.join(folder, 'servers.d/c.yaml')),
    (): void => fs.renameSync(put('servers.d/.b', '# by an editor\n'), path.join(folder, 'servers.d/b.yaml')),
  ]) {
    const seen = readRulesetText(file);
    change();
    expect(refusal(() => writeRulesetText(file, edited(seen.text, '# A\n', '# AA\n'), seen.digest))).toMatch(
      /^file\/changed/,
    );
    expect(there('servers.d/a.yaml')).toBe('# A\n');
  }
  clock.mockRestore();
});
