'use strict';
// Lets plain Node require the TypeScript files of test/support, compiled as jest compiles them.
const fs = require('node:fs');
const Module = require('node:module');
const path = require('node:path');
const process = require('node:process');

const root = path.resolve(__dirname, '../..');
if (!['node_modules/@swc/core', 'dist/cli/main.js'].every((made) => fs.existsSync(path.join(root, made)))) {
  console.error('this folder is not built yet: run ./scripts/setup.sh first');
  process.exit(1);
}
const { transformSync } = require('@swc/core');

Module._extensions['.ts'] = (module, file) => {
  const { code } = transformSync(fs.readFileSync(file, 'utf8'), {
    filename: file,
    jsc: { target: 'es2023', parser: { syntax: 'typescript' } },
    module: { type: 'commonjs' },
  });
  module._compile(code, file);
};
