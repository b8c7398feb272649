'use strict';
// Holds the tree to the layer table (scripts/lib/layers.js): who may import whom in src/, who may include whom in bpf/
// and native/, and the one door of each dependency.
const fs = require('node:fs');
const path = require('node:path');
const { filesUnder } = require('./lib/stamp.js');
const { checkLayers } = require('./lib/layers.js');

const root = path.dirname(__dirname);
const names = filesUnder(root, ['src', 'bpf', 'native']);
const files = new Map(names.map((name) => [name, fs.readFileSync(path.join(root, name), 'utf8')]));
const { dependencies } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));

const findings = checkLayers(files, Object.keys(dependencies));
for (const { file, message } of findings) console.error(`layers: ${file} ${message}`);
if (findings.length > 0) process.exit(1);
console.log(`layers: ${files.size} files keep to the table`);
