'use strict';
// A process that changes one rule of a ruleset again and again, as a daemon would, and says how long each change took:
// `node scripts/bench-swap.js NETNS LINK SET SIZE SWAPS`. Begins, and ends, with a line on stdin.
require('./lib/typescript-hook.js');
require('../test/bench/measure/swapper.ts')
  .main(process.argv.slice(2))
  .catch((error) => {
    console.error(error.stack);
    process.exitCode = 1;
  });
