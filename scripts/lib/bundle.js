'use strict';
// The command in one file, with what V8 makes of it: a command loads some three hundred small files otherwise, which takes
// it longer than most of what it is asked for.
const { execFileSync } = require('node:child_process');
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const esbuild = require('esbuild');

/** Bundles what `entry` loads and puts a loader in its place; the bundle stands in the folder `bundle` beside it. */
async function bundleCommand(entry) {
  const here = path.dirname(entry);
  const { outputFiles } = await esbuild.build({
    entryPoints: [entry],
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    charset: 'ascii',
    legalComments: 'inline',
    write: false,
    logLevel: 'warning',
    plugins: [keepPlaces(here)],
  });
  const code = onlyAscii(outputFiles[0].text.replace(/^#!.*\n/, ''));
  const wrapped = `(function (exports, require, module, __filename, __dirname) { ${code}\n})`;
  const name = `${createHash('sha256').update(wrapped).digest('hex').slice(0, 16)}.js`;
  const folder = path.join(here, 'bundle');
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder);
  fs.writeFileSync(path.join(folder, name), wrapped);
  fs.writeFileSync(entry, loader(name));
  writeCodeCache(entry, path.join(folder, name));
}

/** Modules go on finding their neighbours: where they stood before, seen from the bundle's folder. */
function keepPlaces(here) {
  const place = (to) => `require('node:path').join(__dirname, ${JSON.stringify(path.relative(here, to))})`;
  return {
    name: 'keep-places',
    setup: (build) => {
      build.onLoad({ filter: /\/dist\/.*\.js$/ }, (file) => ({
        contents: fs
          .readFileSync(file.path, 'utf8')
          .replace(/\b__dirname\b/g, place(path.dirname(file.path)))
          .replace(/\b__filename\b/g, place(file.path)),
      }));
    },
  };
}

/**
 * The loader reads the bundle as latin1, which takes a quarter of the time that UTF-8 does. esbuild escapes what stands
 * in strings; what is left stands in comments and regular expressions, where an escape does no harm.
 */
function onlyAscii(code) {
  return code.replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/**
 * Eight times what V8 11 lets code run before it looks whether to optimize it (67,584 bytes of it). A command is over
 * in a second: by default a third of its time goes into optimizing what then runs for a moment. Nothing else changes.
 */
const PATIENCE = { v8: '11.', flag: '--interrupt-budget=540672' };

/** Code that V8 does not know, made by another version of it, is compiled as ever. */
function loader(name) {
  return `#!/usr/bin/env node
'use strict';
// Made by scripts/lib/bundle.js. V8 looks at the length of a source alone: the names say that the two belong together.
const { existsSync, readFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { join } = require('node:path');
const { setFlagsFromString } = require('node:v8');
const { Script } = require('node:vm');
const file = join(__dirname, 'bundle/${name}');
const cache = \`\${file}.\${process.versions.v8}.cache\`;
const cachedData = existsSync(cache) ? readFileSync(cache) : undefined;
const script = new Script(readFileSync(file, 'latin1'), { filename: file, cachedData });
// After the code is taken: V8 looks at its flags then. A daemon lives long enough to be optimized.
if (process.versions.v8.startsWith('${PATIENCE.v8}') && !process.argv.includes('daemon')) setFlagsFromString('${PATIENCE.flag}');
script.runInThisContext()(exports, createRequire(__filename), module, __filename, __dirname);
`;
}

/** Beside the bundle, by V8's version: what it has compiled after it ran once, over a ruleset that meets most of it. */
function writeCodeCache(entry, file) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-bundle-'));
  try {
    const ruleset = path.join(folder, 'rules.yaml');
    fs.writeFileSync(ruleset, RULESET);
    execFileSync(process.execPath, [path.join(__dirname, 'code-cache.js'), entry, file, 'compile', ruleset], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

const RULESET = `version: 1
interfaces: [eth0]
sets:
  office: [192.0.2.0/24, "2001:db8::/32"]
inbound:
  rules:
    - allow 22/tcp from office
    - limit 443/tcp
    - allow 53,123/udp from 198.51.100.0/24
outbound:
  rules:
    - deny 25/tcp
`;

module.exports = { bundleCommand, PATIENCE };
