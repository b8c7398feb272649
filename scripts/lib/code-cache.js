'use strict';
// Runs a command out of its bundle, and writes what V8 compiled of it: code-cache.js ENTRY BUNDLE ARGUMENT …
const fs = require('node:fs');
const { createRequire } = require('node:module');
const path = require('node:path');
const { Script } = require('node:vm');

const [, , entry, bundle, ...words] = process.argv;
process.argv = [process.execPath, entry, ...words];
const script = new Script(fs.readFileSync(bundle, 'latin1'), { filename: bundle });
process.on('exit', (status) => {
  if (status === 0) fs.writeFileSync(`${bundle}.${process.versions.v8}.cache`, script.createCachedData());
});
script.runInThisContext()({}, createRequire(entry), { exports: {} }, entry, path.dirname(entry));
