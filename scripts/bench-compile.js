'use strict';
// One process a compile, so that "cold" is what a command pays: `node scripts/bench-compile.js SET SIZE FAMILY`.
const { performance } = require('node:perf_hooks');
require('./lib/typescript-hook.js');
const { makeSet } = require('../test/bench/sets/catalogue.ts');
const { rulesetOf } = require('../test/bench/sets/bench-set.ts');
const { compile } = require('../src/compile/compile.ts');

const WARM_RUNS = 3;

const [name, size, family] = process.argv.slice(2);
const ruleset = rulesetOf(makeSet(name, Number(size), Number(family)), 'mixed');
const time = () => {
  const began = performance.now();
  compile(ruleset);
  return performance.now() - began;
};
try {
  const coldMs = time();
  // a slow compile is not repeated often: the whole must end
  const runs = coldMs > 5000 ? 1 : WARM_RUNS;
  const warm = Array.from({ length: runs }, time).sort((a, b) => a - b);
  const peakMb = process.resourceUsage().maxRSS / 1024;
  console.log(JSON.stringify({ coldMs, warmMs: warm[warm.length >> 1], peakMb }));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
