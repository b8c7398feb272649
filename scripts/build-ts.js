'use strict';
// Compiles src to dist, takes away what no source stands behind any more, writes the JSON Schema beside it, and puts the
// command into one file.
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { bundleCommand } = require('./lib/bundle.js');
const { filesUnder } = require('./lib/stamp.js');

const root = path.dirname(__dirname);
const dist = path.join(root, 'dist');

try {
  execFileSync(process.execPath, [require.resolve('typescript/bin/tsc'), '-p', 'tsconfig.json'], {
    cwd: root,
    stdio: 'inherit',
  });
} catch {
  process.exit(1);
}
for (const file of filesUnder(dist, ['.'])) {
  const source = file.replace(/\.(js|js\.map|d\.ts)$/, '.ts');
  if (source !== file && !fs.existsSync(path.join(root, 'src', source))) fs.rmSync(path.join(dist, file));
}
const { rulesetJsonSchema } = require(path.join(dist, 'parse/schema.js'));
fs.writeFileSync(path.join(dist, 'ruleset.schema.json'), `${JSON.stringify(rulesetJsonSchema(), null, 2)}\n`);
const command = path.join(dist, 'cli/main.js');
void bundleCommand(command).then(() => fs.chmodSync(command, 0o755));
