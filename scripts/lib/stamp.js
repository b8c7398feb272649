'use strict';
// Content stamps: a build step is fresh when its inputs and its outputs are the bytes they were after its last run.
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');

/** Files below each path (files themselves, folders recursively), sorted; a path that is absent gives nothing. */
function filesUnder(root, paths) {
  const found = [];
  const visit = (relative) => {
    const stat = fs.statSync(path.join(root, relative), { throwIfNoEntry: false });
    if (stat?.isFile()) found.push(relative);
    if (stat?.isDirectory()) {
      for (const name of fs.readdirSync(path.join(root, relative))) visit(path.join(relative, name));
    }
  };
  for (const relative of paths) visit(relative);
  return found.sort();
}

/** SHA-256 over names and contents of the files, and the extra words. */
function digest(root, paths, extra = []) {
  const hash = createHash('sha256').update(JSON.stringify(extra));
  for (const file of filesUnder(root, paths)) {
    const bytes = fs.readFileSync(path.join(root, file));
    hash.update(`\0${file}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest('hex');
}

function stampFile(root, name) {
  return path.join(root, 'node_modules/.cache/sluice', `${name}.json`);
}

/** A step is `{name, inputs, outputs, extra}`; `outputs` must all exist for it to be fresh. */
function isFresh(root, step) {
  if (step.outputs.some((output) => !fs.existsSync(path.join(root, output)))) return false;
  const file = stampFile(root, step.name);
  if (!fs.existsSync(file)) return false;
  const stamp = JSON.parse(fs.readFileSync(file, 'utf8'));
  return (
    stamp.inputs === digest(root, step.inputs, step.extra) && stamp.outputs === digest(root, step.outputs, step.extra)
  );
}

/** Remembers the step as fresh. `inputs` is their digest from before the step ran: an edit meanwhile must not count. */
function writeStamp(root, step, inputs) {
  const file = stampFile(root, step.name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, JSON.stringify({ inputs, outputs: digest(root, step.outputs, step.extra) }));
}

module.exports = { digest, filesUnder, isFresh, writeStamp };
