/** What a command loads before it does anything: libraries that only some verbs need cost the others tens of milliseconds. */
import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';

const COMMANDS = resolve(__dirname, '../../../dist/cli/commands');

/** Packages that the modules of a command load, by name. */
function packagesOf(command: string): string[] {
  const program = `
    require(process.argv[1]);
    const names = Object.keys(require.cache).map((file) => /node_modules\\/([^/]+)\\//.exec(file)?.[1]);
    console.log(JSON.stringify([...new Set(names)].filter(Boolean).sort()));`;
  const said = execFileSync(process.execPath, ['-e', program, `${COMMANDS}/${command}.js`], { encoding: 'utf8' });
  return JSON.parse(said) as string[];
}

test.each(['apply', 'boot', 'check', 'confirm', 'disable', 'history', 'metrics', 'plan', 'snapshot', 'status'])(
  '%s loads neither the YAML library nor that of the schema',
  (command) => {
    expect(packagesOf(command)).not.toContain('yaml');
    expect(packagesOf(command)).not.toContain('zod');
  },
);

test('who edits loads the YAML library', () => {
  expect(packagesOf('edit')).toContain('yaml');
});
