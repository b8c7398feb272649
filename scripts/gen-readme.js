'use strict';
// Fills the generated regions of the READMEs from the built code: `gen-readme.js [FOLDER]` writes below FOLDER instead
// of in place (check-generated).
const fs = require('node:fs');
const path = require('node:path');
const { contents, fillRegions } = require('./lib/readme.js');
const { loadSections } = require('./lib/readme-sections.js');

const root = path.dirname(__dirname);
const target = process.argv[2] ?? root;

async function main() {
  const sections = await loadSections();
  for (const file of ['README.md', 'src/README.md']) {
    const text = fs.readFileSync(path.join(root, file), 'utf8');
    const filled = fillRegions(text, { ...sections, contents: () => contents(text) });
    fs.mkdirSync(path.dirname(path.join(target, file)), { recursive: true });
    fs.writeFileSync(path.join(target, file), filled);
  }
}

void main();
