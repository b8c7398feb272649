'use strict';
// Compiling in a process of its own: `node scripts/bench-compile.js SET SIZE FAMILY cold|warm`. `cold` is what a command
// pays, with what its loader tells V8; `warm` what a daemon does, again and again.
const { performance } = require('node:perf_hooks');
const { setFlagsFromString } = require('node:v8');
const { PATIENCE } = require('./lib/bundle.js');
require('./lib/typescript-hook.js');
const { makeSet } = require('../test/bench/sets/catalogue.ts');
const { rulesetOf } = require('../test/bench/sets/bench-set.ts');
const { compile } = require('../src/compile/compile.ts');

const WARM_RUNS = 3;

const [name, size, family, mode] = process.argv.slice(2);
if (mode === 'cold' && process.versions.v8.startsWith(PATIENCE.v8)) setFlagsFromString(PATIENCE.flag);
const ruleset = rulesetOf(makeSet(name, Number(size), Number(family)), 'mixed');
const time = () => {
  const began = performance.now();
  compile(ruleset);
  return performance.now() - began;
};
try {
  const first = time();
  // a slow compile is not repeated often: the whole must end
  const runs = mode === 'cold' ? 0 : first > 5000 ? 1 : WARM_RUNS;
  const warm = Array.from({ length: runs }, time).sort((a, b) => a - b);
  const peakMb = process.resourceUsage().maxRSS / 1024;
  console.log(JSON.stringify(mode === 'cold' ? { coldMs: first, peakMb } : { warmMs: warm[warm.length >> 1] }));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
