/** `npx sluice` in the checkout is the command that was built here, with its arguments, output and exit codes. */
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { COMMAND } from '../support/edge-host';
import { run } from '../support/process';

test('npx sluice check: this build, its words, its exit code', async () => {
  const folder = mkdtempSync(join(tmpdir(), `slc-npx-${process.pid}-`));
  try {
    const [file, trace, hook] = ['rules.yaml', 'trace', 'hook.js'].map((name) => join(folder, name));
    writeFileSync(file, 'version: 1\ninbound: { rules: [alow 22/tcp] }\n');
    // npx is a program of node too: only the last process it starts is ours.
    writeFileSync(hook, `require('node:fs').appendFileSync(${JSON.stringify(trace)}, process.argv[1] + '\\n');\n`);
    const argv = ['npx', '--no', 'sluice', 'check', file, '--json'];
    const env = { ...process.env, NODE_OPTIONS: `--require ${hook}` };
    const { status, stdout } = await run(argv, { cwd: join(__dirname, '../..'), env });
    expect(status).toBe(3);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, exitCode: 3 });
    expect(realpathSync(readFileSync(trace, 'utf8').trim().split('\n').at(-1)!)).toBe(realpathSync(COMMAND));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
