/** What the command starts from: one file, and what V8 compiled of it when it was built. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const CLI = resolve(__dirname, '../../../dist/cli');
const FOLDER = join(CLI, 'bundle');
const [bundle] = readdirSync(FOLDER).filter((name) => name.endsWith('.js'));

test('its name says what it holds, and the command loads it', () => {
  const digest = createHash('sha256')
    .update(readFileSync(join(FOLDER, bundle)))
    .digest('hex');
  expect(bundle).toBe(`${digest.slice(0, 16)}.js`);
  expect(readFileSync(join(CLI, 'main.js'), 'utf8')).toContain(`'bundle/${bundle}'`);
});

test('it holds nothing but ASCII, since the loader reads it a byte a character', () => {
  expect(readFileSync(join(FOLDER, bundle), 'latin1').match(/[^\n]*[\u0080-\uffff][^\n]*/)?.[0]).toBeUndefined();
});

test('V8 takes what was compiled', () => {
  // In a process of its own, as the command is: a worker of jest may run by other flags, which V8 looks at too.
  const program = `
    const { readFileSync } = require('node:fs');
    const cachedData = readFileSync(process.argv[1] + '.' + process.versions.v8 + '.cache');
    const source = readFileSync(process.argv[1], 'latin1');
    const { cachedDataRejected } = new (require('node:vm').Script)(source, { filename: 'another.js', cachedData });
    console.log(cachedDataRejected);`;
  expect(execFileSync(process.execPath, ['-e', program, join(FOLDER, bundle)], { encoding: 'utf8' })).toBe('false\n');
});

test('V8 knows the flag that the loader sets: an unknown one it complains of', () => {
  const flag = /setFlagsFromString\('(--[^=']+)=\d+'\)/.exec(readFileSync(join(CLI, 'main.js'), 'utf8'))![1];
  expect(execFileSync(process.execPath, ['--v8-options'], { encoding: 'utf8' })).toContain(`  ${flag} (`);
  const { status, stderr } = spawnSync(process.execPath, [join(CLI, 'main.js'), 'schema'], { encoding: 'utf8' });
  expect([status, stderr]).toEqual([0, '']);
});

test('with what another V8 compiled, or none, the command does the same', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bundle-'));
  try {
    const ruleset = join(folder, 'rules.yaml');
    writeFileSync(ruleset, 'version: 1\ninterfaces: [eth0]\ninbound:\n  rules:\n    - allow 22/tcp\n');
    const check = (...options: string[]): string =>
      execFileSync(process.execPath, [...options, join(CLI, 'main.js'), 'check', ruleset], { encoding: 'utf8' });
    // Flags of V8 are part of what its version stands for.
    expect(check('--no-opt')).toBe(check());
    expect(check()).toContain('ok, 1 rule');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
