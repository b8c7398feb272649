'use strict';
// Runs every generator into a temporary folder and compares with the committed files.
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const root = path.dirname(__dirname);
const work = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-generated-'));

/** Generator, its argument, and the files it makes (in the temporary folder → in the tree). */
const GENERATORS = [
  {
    script: 'gen-abi.js',
    argument: path.join(work, 'layout.gen.ts'),
    files: { 'layout.gen.ts': 'src/abi/layout.gen.ts' },
  },
  {
    script: 'gen-schema.js',
    argument: path.join(work, 'ruleset.schema.json'),
    files: { 'ruleset.schema.json': 'test/golden/ruleset.schema.json' },
  },
  { script: 'gen-readme.js', argument: work, files: { 'README.md': 'README.md', 'src/README.md': 'src/README.md' } },
];

/** The first line in which two texts differ, for the message. */
function firstDifference(committed, generated) {
  const [a, b] = [committed.split('\n'), generated.split('\n')];
  const at = b.findIndex((line, i) => line !== a[i]);
  const line = at < 0 ? b.length : at;
  return `line ${line + 1}: committed ${JSON.stringify(a[line] ?? '(end)')}, generated ${JSON.stringify(b[line] ?? '(end)')}`;
}

const problems = [];
try {
  for (const { script, argument, files } of GENERATORS) {
    const run = spawnSync(process.execPath, [path.join(__dirname, script), argument], { encoding: 'utf8' });
    if (run.status !== 0) {
      problems.push(`scripts/${script} failed: ${(run.stderr || String(run.error)).trim()}`);
      continue;
    }
    for (const [made, committedName] of Object.entries(files)) {
      const committedFile = path.join(root, committedName);
      const committed = fs.existsSync(committedFile) ? fs.readFileSync(committedFile, 'utf8') : '';
      const generated = fs.readFileSync(path.join(work, made), 'utf8');
      if (committed !== generated)
        problems.push(`${committedName} is not what scripts/${script} makes; ${firstDifference(committed, generated)}`);
    }
  }
} finally {
  fs.rmSync(work, { recursive: true });
}
for (const problem of problems) console.error(`generated: ${problem}`);
if (problems.length > 0) {
  console.error('generated: npm run gen writes them anew');
  process.exit(1);
}
console.log('generated: all files are what their generators make');
