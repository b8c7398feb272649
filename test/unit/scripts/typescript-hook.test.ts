import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

test('in a clone that nobody has built it says what to run, and nothing else', () => {
  const clone = mkdtempSync(join(tmpdir(), `slc-clone-${process.pid}-`));
  try {
    mkdirSync(join(clone, 'scripts/lib'), { recursive: true });
    const hook = join(clone, 'scripts/lib/typescript-hook.js');
    cpSync(join(__dirname, '../../../scripts/lib/typescript-hook.js'), hook);
    const { status, stderr } = spawnSync(process.execPath, [hook], { encoding: 'utf8' });
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: 'this folder is not built yet: run ./scripts/setup.sh first\n',
    });
  } finally {
    rmSync(clone, { recursive: true });
  }
});
