'use strict';
// The JSON Schema of the ruleset file, from the built zod schema: `gen-schema.js FILE`. The copy under test/golden is
// there to be read in reviews; the build puts one into dist for editors and the package.
const fs = require('node:fs');
const path = require('node:path');

const root = path.dirname(__dirname);
const { rulesetJsonSchema } = require(path.join(root, 'dist/parse/schema.js'));
const output = process.argv[2] ?? path.join(root, 'test/golden/ruleset.schema.json');
fs.writeFileSync(output, `${JSON.stringify(rulesetJsonSchema(), null, 2)}\n`);
